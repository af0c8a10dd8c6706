"""A separator that is fed blocks of another size than its own."""

from __future__ import annotations

from math import gcd

import numpy as np

from streamsep.separation.chunked import ChunkedSeparator
from streamsep.separation.separator import Separator
from streamsep.types import Float32


def least_delay(separator: Separator, block_size: int) -> int:
    """Return by how many samples its stems are late at least, in blocks of another size."""
    own = separator.block_size
    return separator.delay + own - gcd(own, block_size)


class Reblocked:
    """Runs a separator block by block, whatever its own blocks, and some samples late.

    Parameters
    ----------
    separator
        Becomes this object's own.
    block_size
        Samples per call, N.
    delay
        Samples by which the stems trail the input, at least what `least_delay` says.
    """

    def __init__(self, separator: Separator, block_size: int, delay: int) -> None:
        if delay < least_delay(separator, block_size):
            raise ValueError(f"a delay of {delay} samples is too short for {separator.spec.name}")
        self._separator = separator
        shape = (len(separator.stems), separator.spec.channels, delay)
        self._late = np.zeros(shape, np.float32)
        self._ready = self._late
        self.reset()

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) into ``out`` (S, C, N)."""
        self._ready = np.concatenate([self._ready, self._chunked.feed(block)], axis=-1)
        np.copyto(out, self._ready[..., : out.shape[-1]])
        self._ready = self._ready[..., out.shape[-1] :]

    def reset(self) -> None:
        """Start anew."""
        self._separator.reset()
        self._chunked = ChunkedSeparator(self._separator)
        self._ready = self._late
