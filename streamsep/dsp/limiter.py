"""A limiter: what is louder than full scale would be cut there by any device or file."""

from __future__ import annotations

import math

import numpy as np

from streamsep.dsp.sanitize import Sanitizer
from streamsep.types import Float32

RELEASE_S = 0.3  # time constant of the way back, in decibels
SETTLED = 0.995  # from here on the gain is one: -0.04 dB


class Limiter:
    """Turns down what would go beyond full scale, block by block, in place and without delay.

    The gain falls along a straight line that meets the peak, and comes back over RELEASE_S. What
    stays within full scale is left as it is, to the bit. NaN, Inf and absurd levels are silenced.

    Parameters
    ----------
    channels, block_size
        Fixed sizes C, N of what comes.
    sample_rate
        In Hz.

    Attributes
    ----------
    blocks
        How many were turned down.
    lowest
        The least gain so far.
    bad_samples
        How many were silenced.
    """

    def __init__(self, channels: int, block_size: int, sample_rate: int) -> None:
        self._gain = 1.0  # at the end of the last block
        self._back = math.exp(-block_size / (RELEASE_S * sample_rate))
        self._sanitizer = Sanitizer((channels, block_size))
        self._level = np.zeros((channels, block_size), np.float32)
        self._curve, self._peaks = (np.zeros(block_size, np.float32) for _ in range(2))
        self._steps = np.arange(1, block_size + 1, dtype=np.float32)
        self.blocks = self.bad_samples = 0
        self.lowest = 1.0

    def process(self, sound: Float32) -> float:
        """Limit (C, N) in place and return its peak before that."""
        np.abs(sound, out=self._level)
        peak = float(self._level.max())
        if self._gain == 1.0 and peak <= 1.0:  # NaN compares false
            return peak
        if not peak < math.inf or peak > 1.0:
            self.bad_samples += self._sanitizer.clean(sound)
            np.abs(sound, out=self._level)
            peak = float(self._level.max())
        if peak * self._gain > 1.0:
            self._fall(peak)
            self.blocks += 1
            self.lowest = min(self.lowest, self._gain)
        else:
            self._rise(peak)
        for channel in sound:
            np.multiply(channel, self._curve, out=channel)
        if peak * self._gain > 0.999:  # rounding may leave a last bit above
            np.clip(sound, -1.0, 1.0, out=sound)
        return peak

    def _fall(self, peak: float) -> None:
        """From the present gain to what the peak needs, steep enough for every sample before."""
        np.max(self._level, axis=0, out=self._peaks)
        np.maximum(self._peaks, 1.0, out=self._peaks)
        np.divide(1.0, self._peaks, out=self._peaks)  # what each sample needs
        np.subtract(self._gain, self._peaks, out=self._curve)
        np.divide(self._curve, self._steps, out=self._curve)
        slope = float(self._curve.max())
        np.multiply(self._steps, -slope, out=self._curve)
        np.add(self._curve, self._gain, out=self._curve)
        np.maximum(self._curve, 1.0 / peak, out=self._curve)
        self._gain = 1.0 / peak

    def _rise(self, peak: float) -> None:
        before = self._gain
        gain = before**self._back
        self._gain = min(gain if gain < SETTLED else 1.0, 1.0 / max(peak, 1.0))
        np.multiply(self._steps, (self._gain - before) / len(self._steps), out=self._curve)
        np.add(self._curve, before, out=self._curve)
