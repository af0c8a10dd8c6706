"""What a sound of any length holds over time and frequency, in memory that stays the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.stft import analysis_window
from streamsep.types import Float32

Float64 = NDArray[np.float64]

N_FFT, HOP_LENGTH = 2_048, 1_024
PIECE = 2**16  # samples of a whole sound that are transformed at a time
COLUMNS = 900  # at most: what a picture has pixels for


class Spectrogram:
    """Sums up the power spectra of a sound while it passes, column by column.

    Levels are in dB, where a sine of full scale is 0 dB; silence is -inf.

    Parameters
    ----------
    samples
        How many will come. What comes beyond is left out, what is missing is silence.
    sample_rate
        Theirs.
    """

    def __init__(self, samples: int, sample_rate: int) -> None:
        self.seconds = samples / sample_rate
        self._rate = sample_rate
        self._frames = samples // HOP_LENGTH + 1  # one is centred on the first sample
        self.columns = min(COLUMNS, self._frames)
        self._power = np.zeros((self.columns, N_FFT // 2 + 1))
        self._counts = np.zeros(self.columns)
        self._window = analysis_window("hann", N_FFT, HOP_LENGTH)
        self._scale = 4.0 / (N_FFT * np.sum(self._window.astype(np.float64) ** 2))
        self._rest: Float32 | None = None
        self._done = 0

    def add(self, sound: Float32) -> None:
        """Take (C, n) in, n of any size; C is the same in all calls."""
        if self._rest is None:
            self._rest = np.zeros((len(sound), N_FFT - HOP_LENGTH), np.float32)
        joined = np.concatenate([self._rest, sound], axis=-1)
        count = max((joined.shape[-1] - N_FFT) // HOP_LENGTH + 1, 0)
        self._rest = joined[:, count * HOP_LENGTH :]
        count = min(count, self._frames - self._done)
        if count < 1:
            return
        frames = np.lib.stride_tricks.sliding_window_view(joined, N_FFT, axis=-1)
        spectra = np.fft.rfft(frames[:, : count * HOP_LENGTH : HOP_LENGTH] * self._window)
        columns = np.arange(self._done, self._done + count) * self.columns // self._frames
        power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
        firsts = np.flatnonzero(np.diff(columns, prepend=-1))  # frames that begin a column
        self._power[columns[firsts]] += np.add.reduceat(power, firsts)
        self._counts[columns[firsts]] += np.diff(firsts, append=count)
        self._done += count

    def finish(self) -> None:
        """Take the last samples into account."""
        if self._rest is not None:
            self.add(np.zeros((len(self._rest), N_FFT), np.float32))

    def bands_db(self, edges_hz: Float64, columns: int) -> Float64:
        """Return the level of each band between two edges, (len(edges_hz) - 1, columns).

        A band narrower than a step of the spectrum gets its share of that. What is
        beyond half the sample rate is silence.
        """
        below = np.cumsum(self._spread(columns), axis=-1)
        below = np.pad(below, ((0, 0), (1, 0)))
        # Bin k reaches from k - 1/2 to k + 1/2.
        places = np.asarray(edges_hz) * N_FFT / self._rate + 0.5
        bins = np.arange(below.shape[-1])
        power = np.stack([np.diff(np.interp(places, bins, row)) for row in below], axis=-1)
        return _decibels(np.maximum(power, 0.0))  # rounding may leave a little less than nothing

    def levels_db(self, columns: int) -> Float64:
        """Return the level of all bands together, (columns,)."""
        return _decibels(self._spread(columns).sum(axis=-1))

    @property
    def mean_db(self) -> float:
        """Level of the whole."""
        return float(_decibels(self._power.sum() * self._scale / max(self._done, 1)))

    def _spread(self, columns: int) -> Float64:
        """Return mean power (columns, bins), whatever number of columns is wanted."""
        edges = np.arange(columns + 1) * self.columns // columns
        ends = np.maximum(edges[1:], edges[:-1] + 1)
        sums, counts = (
            np.stack([array[a:b].sum(axis=0) for a, b in zip(edges[:-1], ends, strict=True)])
            for array in (self._power, self._counts)
        )
        mean: Float64 = sums * self._scale / np.maximum(counts, 1.0)[:, np.newaxis]
        return mean


def spectrogram_of(sound: Float32, sample_rate: int) -> Spectrogram:
    """Return the spectrogram of a sound (C, N) that is there as a whole."""
    spectrogram = Spectrogram(sound.shape[-1], sample_rate)
    for start in range(0, sound.shape[-1], PIECE):
        spectrogram.add(sound[:, start : start + PIECE])
    spectrogram.finish()
    return spectrogram


def _decibels(power: Float64) -> Float64:
    with np.errstate(divide="ignore"):
        found: Float64 = 10.0 * np.log10(power)
    return found
