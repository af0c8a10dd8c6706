"""A fixed delay in samples, exact to the bit."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.resumable import Resumable
from streamsep.types import Float32


def end_to_front(sound: Float32, count: int) -> list[tuple[Float32, Float32]]:
    """Return what to copy where, to have the last ``count`` samples at the front.

    Row by row: of overlapping arrays with more than one axis numpy makes a copy first.

    Parameters
    ----------
    sound
        (..., N) float32, contiguous.
    count
        At most N.
    """
    rows = sound.reshape(-1, sound.shape[-1])
    return [(row[:count], row[len(row) - count :]) for row in rows]


class DelayLine(Resumable):
    """Delays a stream of equal blocks by a fixed number of samples.

    Parameters
    ----------
    channels
        Channels, C.
    delay
        Delay in samples, 0 or more.
    block_size
        Samples per call, N.
    """

    _kept = ("_history",)

    def __init__(self, channels: int, delay: int, block_size: int) -> None:
        self._history = np.zeros((channels, delay + block_size), np.float32)
        self._newest, self._oldest = self._history[:, delay:], self._history[:, :block_size]
        self._moves = end_to_front(self._history, delay)

    def process(self, block: Float32, out: Float32) -> None:
        """Push (C, N) and write the samples from ``delay`` ago to ``out`` (C, N)."""
        for front, end in self._moves:
            np.copyto(front, end)
        np.copyto(self._newest, block)
        np.copyto(out, self._oldest)

    def reset(self) -> None:
        """Forget everything."""
        self._history.fill(0.0)
