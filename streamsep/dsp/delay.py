"""A fixed delay in samples, exact to the bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class DelayLine:
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

    def __init__(self, channels: int, delay: int, block_size: int) -> None:
        self._history = np.zeros((channels, delay + block_size), np.float32)
        self._block_size = block_size

    def process(self, block: Float32, out: Float32) -> None:
        """Push (C, N) and write the samples from ``delay`` ago to ``out`` (C, N)."""
        size = self._block_size
        self._history[:, :-size] = self._history[:, size:]
        self._history[:, -size:] = block
        out[...] = self._history[:, :size]

    def reset(self) -> None:
        """Forget everything."""
        self._history.fill(0.0)
