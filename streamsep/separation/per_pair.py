"""A separator of two channels over sound of more: one for each pair of speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.speaker_layout import MOST_CHANNELS, speaker_groups
from streamsep.errors import AudioFileError, ModelError
from streamsep.separation.separator import Separator
from streamsep.spec import SeparatorSpec
from streamsep.stem_names import BEAT, canonical_stem
from streamsep.types import Float32

LAYOUT_WAYS = ("stereo", "keep")  # what becomes of more than two channels


class PairSeparators:
    """Separators of one model, loaded as more pairs come, and kept for the next file.

    Parameters
    ----------
    first
        One that is loaded already.
    load
        Returns another one of the same model.
    """

    def __init__(self, first: Separator, load: Callable[[], Separator]) -> None:
        self.first, self._load, self._all = first, load, [first]

    def for_speakers(self, speakers: tuple[str, ...]) -> Separator:
        """Return a separator of as many channels as speakers; with two or one, the first.

        Raises
        ------
        AudioFileError
            If there are too many of them.
        ModelError
            If the model isn't one of two channels.
        """
        if len(speakers) <= 2:
            return self.first
        if len(speakers) > MOST_CHANNELS:
            raise AudioFileError(
                f"{len(speakers)} channels were to be kept",
                expected=f"at most {MOST_CHANNELS}",
                remedy="have them mixed to stereo",
            )
        if self.first.spec.channels != 2:
            raise ModelError(
                f"{self.first.spec.name} is a model of {self.first.spec.channels} channels",
                expected="one of two, to separate pairs of speakers by",
                remedy="choose another model, or have the sound mixed to stereo",
            )
        groups = speaker_groups(speakers)
        while len(self._all) < len(groups.pairs) + len(groups.single):
            self._all.append(self._load())
        return SeparatorPerPair(self._all, speakers)


class SeparatorPerPair:
    """Separates each pair of speakers, and each single one as mono; a `Separator` of them all.

    The low-frequency effects stay whole, in the beat: nobody sings there.

    Parameters
    ----------
    separators
        Of one model of two channels, as many as there are pairs and single speakers.
    speakers
        FFmpeg's name of each channel's.
    """

    def __init__(self, separators: Sequence[Separator], speakers: tuple[str, ...]) -> None:
        first, groups = separators[0], speaker_groups(speakers)
        places = [*groups.pairs, *((number, number) for number in groups.single)]
        self._places = [list(place) for place in places]
        self._separators = separators[: len(places)]
        self.spec = SeparatorSpec(first.spec.name, first.spec.sample_rate, len(speakers))
        self.stems, self.block_size, self.delay = first.stems, first.block_size, first.delay
        self.slack, self.provider = first.slack, first.provider
        self._low = list(groups.low)
        self._low_delay = DelayLine(len(self._low), self.delay, self.block_size)
        self._low_stem = _stem_of_low(first.stems)
        self._out = np.zeros((len(self.stems), 2, self.block_size), np.float32)
        self._late = np.zeros((len(self._low), self.block_size), np.float32)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) into ``out`` (S, C, N); see `Separator.process`."""
        for separator, (left, right) in zip(self._separators, self._places, strict=True):
            separator.process(block[[left, right]], self._out)
            if left == right:
                np.mean(self._out, axis=1, out=out[:, left])
            else:
                out[:, [left, right]] = self._out
        if self._low:
            out[:, self._low] = 0.0
            self._low_delay.process(block[self._low], self._late)
            out[self._low_stem, self._low] = self._late

    def reset(self) -> None:
        """Start anew."""
        for separator in self._separators:
            separator.reset()
        self._low_delay.reset()


def _stem_of_low(stems: tuple[str, ...]) -> int:
    """Return which stem the low-frequency effects belong to: the beat, or what isn't the voice."""
    names = [canonical_stem(stem) for stem in stems]
    if BEAT in names:
        return names.index(BEAT)
    return next((n for n in reversed(range(len(names))) if names[n] != "vocals"), len(names) - 1)
