"""A second separator over the beat of a first one: the vocals that were left go with the others."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.errors import ModelError
from streamsep.separation.combination import check_same_sound
from streamsep.separation.ensemble import BLOCK
from streamsep.separation.reblocked import Reblocked, least_delay
from streamsep.separation.separator import Separator
from streamsep.spec import SeparatorSpec
from streamsep.stem_names import BEAT, canonical_stem
from streamsep.types import Float32


class TwoPassSeparator:
    """Vocals of a first separator and those that a second one finds in its beat; a `Separator`.

    Parameters
    ----------
    first
        Gives vocals and beat.
    second
        Gives vocals, whatever else. Both become this object's own.

    Raises
    ------
    ModelError
        If they don't, or aren't for the same sound.
    """

    stems, block_size, slack = ("vocals", BEAT), BLOCK, 0

    def __init__(self, first: Separator, second: Separator) -> None:
        check_same_sound([first, second])
        names = [canonical_stem(stem) for stem in first.stems]
        if set(names) != set(self.stems):
            raise _unfit(first, "vocals and beat alone, to be separated again")
        if "vocals" not in second.stems:
            raise _unfit(second, "vocals, for a second pass")
        rate, channels = first.spec.sample_rate, first.spec.channels
        self.spec = SeparatorSpec(f"{first.spec.name}, then {second.spec.name}", rate, channels)
        self.provider = ", ".join(dict.fromkeys([first.provider, second.provider]))
        late, later = least_delay(first, BLOCK), least_delay(second, BLOCK)
        self.delay = late + later
        self._first, self._second = Reblocked(first, BLOCK, late), Reblocked(second, BLOCK, later)
        self._vocals, self._beat = names.index("vocals"), names.index(BEAT)
        self._left = second.stems.index("vocals")
        self._stems = np.zeros((2, channels, BLOCK), np.float32)
        self._again = np.zeros((len(second.stems), channels, BLOCK), np.float32)
        self._waiting = DelayLine(channels, later, BLOCK)
        self._mixture = DelayLine(channels, self.delay, BLOCK)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) into ``out`` (2, C, N); see `Separator.process`."""
        self._first.process(block, self._stems)
        self._second.process(self._stems[self._beat], self._again)
        self._waiting.process(self._stems[self._vocals], out[0])
        np.add(out[0], self._again[self._left], out=out[0])
        self._mixture.process(block, out[1])
        np.subtract(out[1], out[0], out=out[1])

    def reset(self) -> None:
        """Start anew."""
        for part in (self._first, self._second, self._waiting, self._mixture):
            part.reset()


def _unfit(separator: Separator, expected: str) -> ModelError:
    return ModelError(
        f"{separator.spec.name} gives {', '.join(separator.stems)}",
        expected=expected,
        remedy="choose another model",
    )
