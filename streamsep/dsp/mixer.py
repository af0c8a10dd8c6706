"""Mixing with gains that move without clicks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamsep.types import Float32

# A gain moves by one in no less than this: 12 ms at 44.1 kHz, however small the blocks.
RAMP_SAMPLES = 512


class RampedMixer:
    """Weighted sum of sounds; a changed gain is reached along straight lines.

    A gain of one leaves its sound as it is to the bit, and a gain of zero costs nothing.

    Parameters
    ----------
    channels, block_size
        Fixed sizes C, N of what is mixed.
    gains
        (S,) initial linear gains, one for each sound.
    """

    def __init__(self, channels: int, block_size: int, gains: Float32) -> None:
        self._gains = gains.astype(np.float32)  # reached
        self._targets = self._gains.copy()  # asked for; single float writes are atomic
        self._scaled = np.zeros((channels, block_size), np.float32)
        # As large as what it is multiplied with: for operands of fewer axes numpy makes a copy.
        slope = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        self._slope = np.zeros_like(self._scaled) + slope
        self._most = np.float32(max(block_size / RAMP_SAMPLES, 1e-6))  # change in one block
        self._ramp = np.zeros_like(self._scaled)

    def set_gain(self, index: int, gain: float) -> None:
        """Ask for a linear gain; any thread may call this."""
        self._targets[index] = gain

    def settle(self) -> None:
        """Have all gains at once where they are to be: before anything is heard."""
        np.copyto(self._gains, self._targets)

    def mix(self, sounds: Float32 | Sequence[Float32], out: Float32) -> None:
        """Mix S sounds of (C, N) into ``out`` (C, N), overwriting it."""
        out.fill(0.0)
        for index, sound in enumerate(sounds):
            gain, target = self._gains[index], self._targets[index]
            if gain == target:
                if gain == 0.0:
                    continue
                np.multiply(sound, gain, out=self._scaled)
            else:
                change = target - gain
                if abs(change) > self._most:
                    change = self._most if change > 0 else -self._most
                    target = gain + change
                np.multiply(self._slope, change, out=self._ramp)
                np.add(self._ramp, gain, out=self._ramp)
                np.multiply(sound, self._ramp, out=self._scaled)
                self._gains[index] = target
            np.add(out, self._scaled, out=out)
