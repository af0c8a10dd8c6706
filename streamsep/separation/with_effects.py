"""A separator whose stems go through effects before anyone hears them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from streamsep.separation.separator import Separator
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32


class StemEffect(Protocol):
    """Changes vocals and beat block by block, both equally late."""

    @property
    def delay(self) -> int:
        """Samples by which what comes out trails what goes in; never changes."""

    def process(self, stems: Float32) -> None:
        """Replace (2, C, N), vocals and beat, in place."""

    def reset(self) -> None:
        """Start anew."""


class SeparatorWithEffects:
    """Runs a separator and then effects, as one separator with all their delays.

    So they run on the inference thread, and what they hold back is part of the reported latency
    and of the delayed original. The stems sum to the mixture only as far as the effects let
    them.

    Parameters
    ----------
    separator
        Gives ``vocals`` among its stems; all the others together are the beat.
    effects
        In order.
    """

    stems = ("vocals", "beat")

    def __init__(self, separator: Separator, effects: Sequence[StemEffect]) -> None:
        self._separator, self._effects = separator, tuple(effects)
        self._vocals = separator.stems.index("vocals")
        shape = (len(separator.stems), separator.spec.channels, separator.block_size)
        self._raw = np.zeros(shape, np.float32)

    @property
    def spec(self) -> SeparatorSpec:
        """The separator's."""
        return self._separator.spec

    @property
    def block_size(self) -> int:
        """The separator's."""
        return self._separator.block_size

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._separator.provider

    @property
    def slack(self) -> int:
        """The separator's."""
        return self._separator.slack

    @property
    def delay(self) -> int:
        """Samples by which the output of a call trails its input."""
        return self._separator.delay + sum(effect.delay for effect in self._effects)

    def locate(self, position: int) -> None:
        """Pass on which sample of all that was fed the next block begins with."""
        if (locate := getattr(self._separator, "locate", None)) is not None:
            locate(position)

    def process(self, block: Float32, out: Float32) -> None:
        """See `Separator.process`; ``out`` is (2, C, N)."""
        self._separator.process(block, self._raw)
        np.copyto(out[0], self._raw[self._vocals])
        out[1].fill(0.0)
        for index, stem in enumerate(self._raw):
            if index != self._vocals:
                np.add(out[1], stem, out=out[1])
        for effect in self._effects:
            effect.process(out)

    def reset(self) -> None:
        """Start anew."""
        self._separator.reset()
        for effect in self._effects:
            effect.reset()
