"""Pitch of voices, step by step, by YIN.

A. de Cheveigné, H. Kawahara: YIN, a fundamental frequency estimator for speech and music, JASA
111 (2002). Of its six steps the last, a search among neighbours, is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.resample import StreamResampler
from streamsep.types import Float32

RATE = 16_000  # Hz, of what is analysed: voices' fundamentals and their first harmonics
STEP = 320  # samples from one estimate to the next
STEP_S = STEP / RATE  # 20 ms
WINDOW, LONGEST_PERIOD, SHORTEST_PERIOD = 512, 256, 15  # samples: 32 ms; 62 Hz to 1,067 Hz
FRAME = WINDOW + LONGEST_PERIOD
CENTRE_S = FRAME / 2 / RATE  # from a frame's first sample to the moment that it tells of
# Of the cumulative mean normalised difference: below the first a dip is a period, the first of
# several; above the second nothing is.
PERIODIC, APERIODIC = 0.15, 0.20
SILENCE_DB = -50.0  # a voice is louder, as power in dB of full scale


class PitchTracker:
    """Estimates pitch every STEP_S, for several channels that stay aligned.

    Parameters
    ----------
    sample_rate
        Of what is fed, in Hz.
    channels
        C, one voice each.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._resampler = StreamResampler(sample_rate, RATE, channels, quality="MQ")
        self._left = np.zeros((channels, 0), np.float32)

    def process(self, sound: Float32) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what (C, N) brings: pitches and levels, each (C, steps).

        Pitches are MIDI note numbers, 69.0 for 440 Hz, and NaN where there is no voice; levels
        are in dB of full scale.
        """
        sound = np.concatenate([self._left, self._resampler.process(sound)], axis=-1)
        steps = max(0, (sound.shape[-1] - FRAME) // STEP + 1)
        self._left = sound[:, steps * STEP :]
        if not steps:
            nothing = np.zeros((len(sound), 0))
            return nothing, nothing
        views = np.lib.stride_tricks.sliding_window_view(sound, FRAME, axis=-1)
        frames = views[:, : steps * STEP : STEP].astype(np.float64)
        frames -= frames.mean(axis=-1, keepdims=True)
        levels_db = 10.0 * np.log10(np.mean(frames**2, axis=-1) + 1e-12)
        periods = _periods(_normalised_difference(frames))
        with np.errstate(invalid="ignore"):
            pitches = 69.0 + 12.0 * np.log2(RATE / periods / 440.0)
        pitches[levels_db < SILENCE_DB] = np.nan
        return pitches, levels_db


def _normalised_difference(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cumulative mean normalised difference, (…, LONGEST_PERIOD), of (…, FRAME)."""
    spectrum = np.fft.rfft(frames)
    # Circular, and long enough that nothing of the window comes around.
    window = np.fft.rfft(frames[..., :WINDOW], FRAME)
    correlation = np.fft.irfft(np.conj(window) * spectrum, FRAME)[..., :LONGEST_PERIOD]
    power = np.cumsum(frames**2, axis=-1)
    start = np.concatenate(
        [np.zeros((*frames.shape[:-1], 1)), power[..., : LONGEST_PERIOD - 1]], axis=-1
    )
    energy = power[..., WINDOW - 1 : WINDOW - 1 + LONGEST_PERIOD] - start
    difference = np.maximum(energy[..., :1] + energy - 2.0 * correlation, 0.0)
    difference[..., 0] = 0.0
    sums = np.cumsum(difference, axis=-1)
    lags = np.arange(LONGEST_PERIOD)
    normalised: NDArray[np.float64] = np.where(
        sums > 1e-12, difference * lags / np.maximum(sums, 1e-12), 1.0
    )
    normalised[..., 0] = 1.0
    return normalised


def _periods(normalised: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the period of each frame in samples, between them by a parabola; NaN without one."""
    inner = normalised[..., 1:-1]
    dips = (inner <= normalised[..., :-2]) & (inner < normalised[..., 2:])
    dips[..., : SHORTEST_PERIOD - 1] = False
    clear = dips & (inner < PERIODIC)
    first = np.argmax(clear, axis=-1)
    lowest = np.argmin(np.where(dips, inner, np.inf), axis=-1)
    chosen = np.where(clear.any(axis=-1), first, lowest) + 1
    before, at, after = (
        np.take_along_axis(normalised, (chosen + k)[..., None], axis=-1)[..., 0] for k in (-1, 0, 1)
    )
    bend = before - 2.0 * at + after
    shift = np.where(bend > 1e-12, 0.5 * (before - after) / np.maximum(bend, 1e-12), 0.0)
    found = dips.any(axis=-1) & (at < APERIODIC)
    return np.where(found, chosen + np.clip(shift, -0.5, 0.5), np.nan)
