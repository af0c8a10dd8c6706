"""The spectrum of a bus, in bands, for screens."""

from __future__ import annotations

import math

import numpy as np

from streamsep.dsp.ring import RingBuffer
from streamsep.types import Float32

LOWEST_HZ = 80.0
BANDS = 24  # thirds of an octave: the highest is centred at 16 kHz
BANDS_PER_OCTAVE = 3
RESOLUTION_HZ = 11.0  # at least; the lowest band is 19 Hz wide


class Spectrum:
    """A tap that keeps the newest samples; whoever wants to see them has the bands computed.

    Parameters
    ----------
    sample_rate, channels, block_size
        Of the session.
    """

    def __init__(self, sample_rate: int, channels: int, block_size: int) -> None:
        self._size = 2 ** math.ceil(math.log2(sample_rate / RESOLUTION_HZ))
        self._ring = RingBuffer((channels,), 2 * self._size + 8 * block_size)
        self._samples = np.zeros((channels, self._size), np.float32)
        self._window = np.hanning(self._size)
        edges = LOWEST_HZ * 2 ** ((np.arange(BANDS + 1) - 0.5) / BANDS_PER_OCTAVE)
        bins = np.ceil(edges * self._size / sample_rate).astype(int)
        self._edges = np.minimum(bins, self._size // 2 + 1)

    def push(self, block: Float32) -> None:
        """Take (C, N) on the audio thread."""
        self._ring.write(block)

    def levels_db(self) -> tuple[float, ...]:
        """Return the level of each band, low to high; a full-scale sine is 0 dB."""
        position = self._ring.write_position
        self._ring.read_position = max(position - self._size, 0)
        if position < self._size or not self._ring.read(self._samples):
            return (-math.inf,) * BANDS
        power = np.abs(np.fft.rfft(self._samples * self._window)) ** 2
        power = power.mean(axis=0) * 4.0 / (self._size * np.sum(self._window**2))
        below = np.concatenate([[0.0], np.cumsum(power)])
        bands = below[self._edges[1:]] - below[self._edges[:-1]]
        return tuple(10.0 * math.log10(band) if band > 0.0 else -math.inf for band in bands)
