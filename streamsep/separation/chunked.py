"""Separation of a stream that comes in chunks of any size, aligned with its input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from streamsep.types import Float32

if TYPE_CHECKING:
    from streamsep.separation.separator import Separator


class ChunkedSeparator:
    """Feeds a Separator whole blocks, takes its delay off, and ends at the input's length.

    Parameters
    ----------
    separator
        Fresh or reset; this object becomes its only user. Or one that goes on from a state.
    surplus
        Samples of its output that are dropped at the front.  [default: its delay]
    """

    def __init__(self, separator: Separator, *, surplus: int | None = None) -> None:
        self._separator = separator
        channels, size = separator.spec.channels, separator.block_size
        self._pending = np.zeros((channels, size), np.float32)
        self._filled = 0
        # Output still to drop at the front.
        self._surplus = separator.delay if surplus is None else surplus
        self._stem_shape = (len(separator.stems), channels)

    def feed(self, chunk: Float32) -> Float32:
        """Take (C, n) in, n of any size, and return the stems (S, C, m) that are ready."""
        return self._joined(self.blocks(chunk))

    def finish(self) -> Float32:
        """Return what is still inside, (S, C, m); in all as many samples as were fed.

        (But for what another surplus than the delay makes more, or less.)
        """
        return self._joined(self.last_blocks())

    def blocks(self, chunk: Float32) -> Iterator[Float32]:
        """Do as `feed`, and yield the stems of each block by themselves; to be gone through."""
        while chunk.shape[-1]:
            count = min(chunk.shape[-1], self._separator.block_size - self._filled)
            self._pending[:, self._filled : self._filled + count] = chunk[:, :count]
            chunk = chunk[:, count:]
            self._filled += count
            if self._filled == self._separator.block_size:
                stems = self._process()
                self._filled = 0
                yield stems

    def last_blocks(self) -> Iterator[Float32]:
        """Do as `finish`, in the same way."""
        inside = self._separator.delay + self._filled
        due = inside - self._surplus
        self._pending[:, self._filled :] = 0.0
        for _ in range(0, inside, self._separator.block_size):
            stems = self._process()[..., :due]
            due -= stems.shape[-1]
            yield stems
            self._pending.fill(0.0)  # silence pushes out what is held back
        self._separator.reset()
        self._filled = 0

    def _process(self) -> Float32:
        """Separate what is pending, and drop what comes before the first sample."""
        out = np.zeros((*self._stem_shape, self._separator.block_size), np.float32)
        self._separator.process(self._pending, out)
        drop = min(self._surplus, out.shape[-1])
        self._surplus -= drop
        return out[..., drop:]

    def _joined(self, blocks: Iterator[Float32]) -> Float32:
        ready = [*blocks]
        if len(ready) == 1:
            return ready[0]
        return np.concatenate([np.zeros((*self._stem_shape, 0), np.float32), *ready], -1)
