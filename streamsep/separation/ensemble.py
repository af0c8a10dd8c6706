"""Several separators as one: what they estimate is blended, the rest is what that leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.stft import Complex64, StreamingSTFT
from streamsep.errors import ModelError
from streamsep.separation.combination import check_same_sound
from streamsep.separation.reblocked import Reblocked, least_delay
from streamsep.separation.separator import Separator
from streamsep.spec import SeparatorSpec
from streamsep.stem_names import BEAT, canonical_stem
from streamsep.types import Float32

# Those of Ultimate Vocal Remover, whose users know what "Max Spec" and "Min Spec" sound like.
N_FFT, HOP_LENGTH = 6_144, 1_024
FRAMES = 16  # a block
BLOCK = FRAMES * HOP_LENGTH


class EnsembleSeparator:
    """Blends the estimates of separators that give the same stems; a `Separator`.

    ``mean`` is that of the waveforms. ``max`` and ``min`` take, in each bin of the STFT and each
    channel, the spectrum of the separator whose magnitude is largest or smallest there, with its
    phase. That is done to all stems but the residual, which is what they leave of the mixture: the
    beat, where there is one. So by ``max`` all goes with the vocals that any model took for
    them, by ``min`` what all did.

    Parameters
    ----------
    separators
        Two or more; become this object's own.
    blend
        ``"mean"``, ``"max"`` or ``"min"``.

    Raises
    ------
    ModelError
        If they don't give the same stems of the same sound.
    """

    block_size, slack = BLOCK, 0

    def __init__(self, separators: Sequence[Separator], blend: str) -> None:
        check_same_sound(separators)
        self.stems = _common_stems(separators)
        first = separators[0].spec
        name = " + ".join(separator.spec.name for separator in separators)
        self.spec = SeparatorSpec(f"{blend} of {name}", first.sample_rate, first.channels)
        self.provider = ", ".join(dict.fromkeys(s.provider for s in separators))
        late = max(least_delay(separator, BLOCK) for separator in separators)
        self._members = [Reblocked(separator, BLOCK, late) for separator in separators]
        self._orders = [[_names(s).index(stem) for stem in self.stems[:-1]] for s in separators]
        self._raw = np.zeros((len(self.stems), first.channels, BLOCK), np.float32)
        count = len(self.stems) - 1
        self._estimates = np.zeros((len(separators), count, first.channels, BLOCK), np.float32)
        self._spectral: _SpectralBlend | None = None
        self.delay = late
        if blend != "mean":
            channels = count * first.channels
            self._spectral = _SpectralBlend(len(separators), channels, largest=blend == "max")
            self.delay += self._spectral.delay
        self._mixture = DelayLine(first.channels, self.delay, BLOCK)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) into ``out`` (S, C, N); see `Separator.process`."""
        for member, order, estimate in zip(
            self._members, self._orders, self._estimates, strict=True
        ):
            member.process(block, self._raw)
            np.copyto(estimate, self._raw[order])
        if self._spectral is None:
            np.mean(self._estimates, axis=0, out=out[:-1])
        else:
            count = len(self._estimates)
            blended = self._spectral.process(self._estimates.reshape(count, -1, BLOCK))
            np.copyto(out[:-1], blended.reshape(out[:-1].shape))
        self._mixture.process(block, out[-1])
        for stem in out[:-1]:
            np.subtract(out[-1], stem, out=out[-1])

    def reset(self) -> None:
        """Start anew."""
        for member in self._members:
            member.reset()
        self._mixture.reset()
        if self._spectral is not None:
            self._spectral.reset()


class _SpectralBlend:
    """Of several sounds the largest or smallest spectrum, bin by bin."""

    def __init__(self, sounds: int, channels: int, *, largest: bool) -> None:
        self._transforms = [
            StreamingSTFT(N_FFT, HOP_LENGTH, channels, window="hann", frames=FRAMES)
            for _ in range(sounds)
        ]
        shape = (FRAMES, channels, N_FFT // 2 + 1)
        self._spectrum: Complex64 = np.zeros(shape, np.complex64)
        self._chosen: Complex64 = np.zeros(shape, np.complex64)
        self._out = np.zeros((1, channels, BLOCK), np.float32)
        self._better = np.greater if largest else np.less
        self.delay = self._transforms[0].delay

    def process(self, sounds: Float32) -> Float32:
        """Blend (K, C, N) to (C, N), late by ``delay``; overwritten by the next call."""
        first, *others = zip(self._transforms, sounds, strict=True)
        first[0].analyse(first[1], self._chosen)
        level = np.abs(self._chosen)
        for transform, sound in others:
            transform.analyse(sound, self._spectrum)
            other = np.abs(self._spectrum)
            better = self._better(other, level)
            np.copyto(self._chosen, self._spectrum, where=better)
            np.copyto(level, other, where=better)
        first[0].synthesise(self._chosen[:, None], self._out)
        blended: Float32 = self._out[0]
        return blended

    def reset(self) -> None:
        for transform in self._transforms:
            transform.reset()


def _names(separator: Separator) -> list[str]:
    return [canonical_stem(stem) for stem in separator.stems]


def _common_stems(separators: Sequence[Separator]) -> tuple[str, ...]:
    """Return the stems that all give, the beat as the last one where there is one."""
    first = _names(separators[0])
    for other in separators[1:]:
        if set(_names(other)) != set(first):
            raise ModelError(
                f"{separators[0].spec.name} gives {', '.join(first)}, and "
                f"{other.spec.name} {', '.join(_names(other))}",
                expected="models of the same stems to blend",
                remedy="choose another model",
            )
    residual = BEAT if BEAT in first else first[-1]
    return (*(stem for stem in first if stem != residual), residual)
