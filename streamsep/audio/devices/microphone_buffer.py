"""The buffer between a device with microphones and who reads it: as little delay as it allows."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.ring import RingBuffer
from streamsep.types import Float32


class MicrophoneBuffer:
    """Holds as little as the bursts of the device allow, and no more than MOST_S besides.

    Every second it looks at the least that was left over after a read. If that is so little that
    one block less would leave a hole, the reader jumps back, faded over a block; if it has been
    too much for PATIENCE such seconds, that was delay for nothing, and it jumps on: after one, if
    it has just begun, as devices give more at once when they do, or at BACKLOG_S, which no bursts
    leave but a device that stood still and then gave all it had.
    So the drift of two clocks is made up for as well: it shows as that one block more or less.

    Parameters
    ----------
    shape
        Leading axes of what is written and read, e.g. ``(C,)``, or ``(V, C)`` for V voices that
        stay together.
    sample_rate
        In Hz.
    block_size
        Samples per read, n.

    Attributes
    ----------
    burst
        Samples that a device had best write at once.
    added
        Samples of delay that the bursts don't ask for, as last found.
    """

    MOST_S = 0.010
    LARGEST_BURST = 128
    LEVEL_S = 1.0
    BACKLOG_S = 0.1
    PATIENCE = 5  # a busy machine is late now and then, and a jump on would be taken back at once

    def __init__(self, shape: tuple[int, ...], sample_rate: int, block_size: int) -> None:
        self._ring = RingBuffer(shape, max(2 * sample_rate, 8 * block_size))
        most = int(self.MOST_S * sample_rate)
        self.burst = self.best_burst(sample_rate, block_size)
        self._least, self._most = self.burst, most - self.burst
        self._aim = (self._most + self._least) // 2
        self._backlog = int(self.BACKLOG_S * sample_rate)
        self._level_reads = max(2, round(self.LEVEL_S * sample_rate / block_size))
        self._rise = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        self._jumped = np.zeros((*shape, block_size), np.float32)
        self._began = self._reading = False
        self._reads, self._lowest, self._patience = 0, self._ring.capacity, 1
        self._too_much: list[int] = []  # what was left in such seconds on end
        self._jump = 0
        self.added = self._aim

    @classmethod
    def best_burst(cls, sample_rate: int, block_size: int) -> int:
        """Return the samples that a device had best write at once."""
        return min(cls.LARGEST_BURST, int(cls.MOST_S * sample_rate) // 3, block_size)

    def write(self, sound: Float32) -> None:
        r"""Append (\*shape, N)."""
        self._ring.write(sound)

    def read(self, out: Float32) -> int:
        r"""Fill (\*shape, n); silence, and 1 returned, where sound was before and now isn't."""
        size = out.shape[-1]
        if not self._reading and not self._begin(size):
            out.fill(0.0)
            return int(self._began)
        jump, self._jump = self._jump, 0
        if not self._ring.read(out):
            out.fill(0.0)
            self._reading = False
            return 1
        if jump:
            self._ring.advance(jump - size)
            if not self._ring.read(self._jumped):
                self._ring.advance(size - jump)  # as if nothing had been
            else:
                np.subtract(self._jumped, out, out=self._jumped)
                np.multiply(self._jumped, self._rise, out=self._jumped)
                np.add(out, self._jumped, out=out)
        self._watch_level()
        return 0

    def _begin(self, size: int) -> bool:
        """Start at the usual distance; after a hole with all there is, which it takes."""
        enough = size + self._aim
        if self._ring.available < enough:
            return False
        if not self._began or self._ring.overrun:
            self._ring.advance(self._ring.available - enough)
        self._began = self._reading = True
        self._reads, self._lowest, self._patience = 0, self._ring.capacity, 1
        self._too_much.clear()
        return True

    def _watch_level(self) -> None:
        self._lowest = min(self._lowest, self._ring.available)
        self._reads += 1
        if self._reads < self._level_reads:
            return
        lowest, self._lowest, self._reads = self._lowest, self._ring.capacity, 0
        if lowest <= self._most:
            self._too_much.clear()
        else:
            self._too_much.append(lowest)
        if lowest < self._least:
            self._jump = lowest - self._aim
        elif len(self._too_much) == self._patience or lowest > self._backlog:
            self._jump = min(self._too_much) - self._aim
            self._too_much.clear()
        self._patience = self.PATIENCE
        self.added = lowest - self._jump
