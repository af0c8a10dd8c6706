"""Mixing stems with gains that move without clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def db_to_gain(gain_db: float) -> float:
    """Convert decibels to a linear factor; ``-inf`` gives 0."""
    return float(10.0 ** (gain_db / 20.0))


class StemMixer:
    """Weighted sum of stems; a changed gain is reached over one block, along a straight line.

    Parameters
    ----------
    stems, channels, block_size
        Fixed sizes S, C, N of what is mixed.
    gains
        (S,) initial linear gains.
    """

    def __init__(self, stems: int, channels: int, block_size: int, gains: Float32) -> None:
        self._gains = gains.astype(np.float32)  # reached
        self._targets = self._gains.copy()  # asked for; single float writes are atomic
        self._slope = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        self._ramp = np.zeros(block_size, np.float32)
        self._scaled = np.zeros((channels, block_size), np.float32)

    def set_gain(self, stem: int, gain: float) -> None:
        """Ask for a linear gain; any thread may call this."""
        self._targets[stem] = gain

    def mix(self, stems: Float32, out: Float32) -> None:
        """Mix (S, C, N) into ``out`` (C, N), overwriting it."""
        out.fill(0.0)
        for index in range(len(stems)):
            gain, target = self._gains[index], self._targets[index]
            if gain == target:
                if gain == 0.0:
                    continue
                np.multiply(stems[index], gain, out=self._scaled)
            else:
                np.multiply(self._slope, target - gain, out=self._ramp)
                np.add(self._ramp, gain, out=self._ramp)
                np.multiply(stems[index], self._ramp, out=self._scaled)
                self._gains[index] = target
            np.add(out, self._scaled, out=out)
