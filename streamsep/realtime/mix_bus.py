"""The mix bus: stems, the delayed original and a microphone in; faders; one mix out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from streamsep.dsp.crossfade import DryWetSwitch
from streamsep.dsp.decibels import db_to_gain, to_db
from streamsep.dsp.limiter import Limiter
from streamsep.dsp.mixer import RampedMixer
from streamsep.dsp.sanitize import Sanitizer
from streamsep.separation import gains_for
from streamsep.stem_names import canonical_stem
from streamsep.types import Float32

# guide: what is heard of the vocals; beat: the song, guide included; master: song and microphone.
FADERS = ("guide", "beat", "mic", "master")
# What a tap can listen to besides stems and the beat. All but the mix come before the faders: at
# gain one they are what the mix is the sum of.
OWN_BUSES = ("mic", "mix")
FADER_OF_STEM = {"vocals": "guide"}


class Tap(Protocol):
    """Something that listens to a bus, such as a recorder."""

    def push(self, block: Float32) -> None:
        """Take (C, N) on the audio thread: no waiting, no I/O. The array is reused."""


class _StemTap(NamedTuple):
    """A tap and the stems, by their places, whose sum it hears."""

    parts: tuple[int, ...]
    tap: Tap


class Microphone(Protocol):
    """A source of its own that never goes through the model."""

    @property
    def latency(self) -> int:
        """Samples from the voice to `read`."""

    def read(self, out: Float32) -> int:
        """Fill (n, C), with silence where there is nothing; return how many samples were lost."""


class MixBus:
    """Mixes block by block on the audio thread; faders move from any other, without clicks.

    ``mix = master · (beat · song + mic · microphone)``, where the song is the chosen stems with
    ``guide`` of the vocals, or, bypassed, the delayed original. It is limited at full scale.

    Parameters
    ----------
    stems
        Names of the stems; the last one is the residual.
    channels, block_size
        Sizes C, N of a block.
    sample_rate
        In Hz.
    gains
        Linear gain of each stem in the song by name; stems not named are silent.
    microphone
        Read once a block.

    Attributes
    ----------
    dry
        (C, N): the delayed original of the present block is to be written here.
    limiter
        Of the mix.
    mic_lost, mic_bad
        Blocks in which the microphone lost samples, and its samples that were NaN, Inf or absurd.

    Raises
    ------
    ValueError
        For an unknown stem.
    """

    def __init__(
        self,
        stems: tuple[str, ...],
        channels: int,
        block_size: int,
        sample_rate: int,
        *,
        gains: Mapping[str, float],
        microphone: Microphone | None = None,
    ) -> None:
        if unknown := sorted(gains.keys() - set(stems)):
            raise ValueError(f"no stem {', '.join(unknown)} among {', '.join(stems)}")
        shape = (channels, block_size)
        # Where a block was missed, the residual falls back on the original, the rest on silence.
        self._fallback = np.zeros((len(stems), *shape), np.float32)
        self.dry = self._fallback[-1]
        self._switch = DryWetSwitch(self._fallback.shape)
        self._stems = stems
        self._vocals = stems.index("vocals") if "vocals" in stems else None
        self._microphone = microphone
        self._song, self._sum, self._out, self._scratch = (
            np.zeros(shape, np.float32) for _ in range(4)
        )
        self._silence = np.zeros(shape, np.float32)
        self._mic = np.zeros(shape, np.float32)
        self._sanitizer = Sanitizer(shape)
        self.limiter = Limiter(channels, block_size, sample_rate)
        song = np.array([gains.get(name, 0.0) for name in stems], np.float32)
        self._song_mixer = RampedMixer(channels, block_size, song)
        self._out_mixer = RampedMixer(channels, block_size, np.array([1.0, 0.0, 1.0], np.float32))
        self._faders = dict.fromkeys(FADERS, 0.0) | {"guide": to_db(gains.get("vocals", 0.0))}
        self._bypass = False
        # Replaced as a whole: the audio thread may be walking through the old ones.
        self._stem_taps: tuple[_StemTap, ...] = ()
        self._taps: dict[str, tuple[Tap, ...]] = dict.fromkeys(OWN_BUSES, ())
        self.mic_lost = self.mic_bad = 0
        self._peak_mic = 0.0

    @property
    def mic_latency(self) -> int | None:
        """Samples from a voice to the mix, if there is a microphone."""
        return None if self._microphone is None else self._microphone.latency

    @property
    def faders(self) -> dict[str, float]:
        """Each fader's position in decibels."""
        return dict(self._faders)

    @property
    def bypass(self) -> bool:
        """Whether the delayed original plays in place of the stems."""
        return self._bypass

    def set_gain(self, fader: str, gain_db: float) -> None:
        """Move a fader, or that of a stem (the guide is the vocals'), in decibels; ``-inf`` mutes.

        Raises
        ------
        ValueError
            For an unknown fader, NaN or +inf.
        """
        fader = canonical_stem(fader, FADERS)
        fader = FADER_OF_STEM.get(fader, fader)
        if fader not in FADERS:
            raise ValueError(f"no fader {fader} among {', '.join(FADERS)}")
        if not gain_db < math.inf:
            raise ValueError(f"a gain of {gain_db} dB can't be set")
        self._faders[fader] = gain_db
        if fader == "guide":
            if self._vocals is not None:
                self._song_mixer.set_gain(self._vocals, db_to_gain(gain_db))
        else:
            self._route()

    def set_bypass(self, bypass: bool) -> None:
        """Play the delayed original in the song's place."""
        self._bypass = bypass
        self._route()

    def _route(self) -> None:
        """Products of faders: what the mix holds of the song, the original and the microphone."""
        song, mic, master = (db_to_gain(self._faders[name]) for name in ("beat", "mic", "master"))
        self._out_mixer.set_gain(0, 0.0 if self._bypass else song * master)
        self._out_mixer.set_gain(1, song * master if self._bypass else 0.0)
        self._out_mixer.set_gain(2, mic * master)

    def settle(self) -> None:
        """Have the faders at once where they are to be: before anything is heard."""
        self._song_mixer.settle()
        self._out_mixer.settle()

    def add_tap(self, bus: str, tap: Tap) -> None:
        """Let ``tap`` listen to a stem, the beat or one of OWN_BUSES from the next block on.

        Raises
        ------
        ModelError
            If there is no such stem.
        """
        if bus in OWN_BUSES:
            self._taps[bus] = (*self._taps[bus], tap)
            return
        parts = tuple(self._stems.index(stem) for stem in gains_for(bus, self._stems))
        self._stem_taps = (*self._stem_taps, _StemTap(parts, tap))

    def process(self, stems: Float32 | None) -> Float32:
        """Mix one block.

        Parameters
        ----------
        stems
            (S, C, N), or None where they were missed; `dry` is heard instead.

        Returns
        -------
        Float32
            (C, N), overwritten by the next call.
        """
        stems = self._switch.choose(stems, self._fallback)
        self._song_mixer.mix(stems, self._song)
        mic = self._listen()
        self._out_mixer.mix((self._song, self.dry, mic), self._out)
        self.limiter.process(self._out)
        for parts, tap in self._stem_taps:
            tap.push(self._sum_of(parts, stems))
        for tap in self._taps["mic"]:
            tap.push(mic)
        for tap in self._taps["mix"]:
            tap.push(self._out)
        return self._out

    def _listen(self) -> Float32:
        if self._microphone is None:
            return self._silence
        self.mic_lost += self._microphone.read(self._mic.T) != 0
        self.mic_bad += self._sanitizer.clean(self._mic)
        np.abs(self._mic, out=self._scratch)
        self._peak_mic = max(self._peak_mic, float(self._scratch.max()))
        return self._mic

    def _sum_of(self, parts: tuple[int, ...], stems: Float32) -> Float32:
        if len(parts) == 1:
            only: Float32 = stems[parts[0]]
            return only
        self._sum.fill(0.0)
        for index in parts:
            np.add(self._sum, stems[index], out=self._sum)
        return self._sum

    def take_mic_peak(self) -> float:
        """Return the microphone's peak since the last call."""
        peak, self._peak_mic = self._peak_mic, 0.0
        return peak
