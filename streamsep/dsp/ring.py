"""A ring buffer between exactly one writing and one reading thread, with monotonic positions."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32


class RingBuffer:
    """Single-producer single-consumer ring whose sample positions only ever grow.

    The positions are the only shared state; each is written by one thread, and CPython stores a
    reference atomically, so no lock is needed. Nothing ever waits or fails for want of room:

    - the reader may move *past* the writer (`advance`): what is then written for positions
      already passed is late and never read, so a missed block leaves later timing alone;
    - the writer overwrites the oldest samples, and the reader finds out (`overrun`);
    - the writer may leave a gap (`skip_to`), which the reader never gets to see as data.

    Parameters
    ----------
    shape
        Leading axes of the data, e.g. ``(C,)`` or ``(S, C)``.
    capacity
        Samples the ring can hold.
    """

    def __init__(self, shape: tuple[int, ...], capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 sample, not {capacity}")
        self._data = np.zeros((*shape, capacity), np.float32)
        self.capacity = capacity
        self.write_position = 0
        self.read_position = 0
        self._valid_from = 0

    @property
    def available(self) -> int:
        """Samples ready to read; 0 or less when the reader is at or past the writer."""
        if self.read_position < self._valid_from:
            return 0
        return self.write_position - self.read_position

    @property
    def overrun(self) -> bool:
        """Whether unread samples were overwritten; the reader must `advance` beyond them."""
        return self.write_position - self.read_position > self.capacity

    def write(self, block: Float32) -> None:
        r"""Append a block of shape (\*shape, N), N at most the capacity."""
        count = block.shape[-1]
        start = self.write_position % self.capacity
        head = min(count, self.capacity - start)
        self._data[..., start : start + head] = block[..., :head]
        self._data[..., : count - head] = block[..., head:]
        self.write_position += count

    def skip_to(self, position: int) -> None:
        """Move the writer on to ``position``; nothing before it can be read any more."""
        self._valid_from = position  # first, or the reader could read the gap
        self.write_position = position

    def read(self, out: Float32) -> bool:
        r"""Fill ``out`` (\*shape, N) and advance, or return False if N aren't there."""
        count = out.shape[-1]
        if count > self.available or self.overrun:
            return False
        start = self.read_position % self.capacity
        head = min(count, self.capacity - start)
        out[..., :head] = self._data[..., start : start + head]
        out[..., head:] = self._data[..., : count - head]
        self.read_position += count
        return True

    def advance(self, count: int) -> None:
        """Move the reader on by ``count`` samples, read or not, written yet or not."""
        self.read_position += count
