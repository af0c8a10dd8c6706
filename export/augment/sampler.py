"""A voice as a sampler plays it: a few pieces of it, in time and in a row, some of them held."""

from __future__ import annotations

import numpy as np

from export.constants import SAMPLE_RATE
from export.data.audio import Audio, rms

PIECES, STEP_S, REST, FADE_S = (2, 6), (0.08, 0.35), 0.25, (0.0003, 0.005)
STEPS, TIMES = (1, 4), (1, 4)  # how long a piece is, and how often it comes in a row
HOLD_CHANCE, HOLD_GRAIN_S, HOLD_RATE = 0.3, (0.03, 0.12), 0.3  # of pieces that stand still
HOLD_PERIOD_S, HOLD_STRAY_S = (0.001, 0.0125), 0.008


def chop(rng: np.random.Generator, voice: Audio) -> Audio:
    """Return a voice's pieces in a new order with rests, float32 (2, samples) as it was given."""
    step = int(rng.uniform(*STEP_S) * SAMPLE_RATE)
    sizes = step * rng.integers(*STEPS, size=rng.integers(*PIECES))
    pieces = [_cut(rng, voice, int(size)) for size in sizes]
    chopped = np.zeros_like(voice)
    start = 0
    while start < voice.shape[1]:
        if rng.random() < REST:
            start += step
            continue
        piece = pieces[rng.integers(len(pieces))]
        for _ in range(rng.integers(*TIMES)):
            room = chopped[:, start : start + piece.shape[1]]
            room[...] = piece[:, : room.shape[1]]
            start += piece.shape[1]
    return chopped


def _cut(rng: np.random.Generator, voice: Audio, size: int) -> Audio:
    """Return the loudest of some pieces of a voice between hard edges, as it was or held."""
    samples = voice.shape[1]
    size = min(size, samples // 2)
    starts = rng.integers(samples - size, size=4)
    start = max(starts, key=lambda s: rms(voice[:, s : s + size]))
    if rng.random() < HOLD_CHANCE:
        piece = hold(rng, voice, int(start) + size // 2, size)
    else:
        piece = voice[:, start : start + size]
    fade = np.arange(1, size + 1) / (rng.uniform(*FADE_S) * SAMPLE_RATE)
    return piece * np.minimum(np.minimum(fade, fade[::-1]), 1.0).astype(np.float32)


def hold(rng: np.random.Generator, voice: Audio, place: int, size: int) -> Audio:
    """Let the sound at a place last, of overlapping grains: a loop of whole periods, or a cloud.

    Parameters
    ----------
    voice
        Shape (2, samples).
    place
        Sample where it is taken from.
    size
        Samples to return.

    Returns
    -------
    ndarray
        float32, shape (2, size).

    References
    ----------
    .. [1] Roads, "Microsound", 2001: granular synthesis.
    """
    samples = voice.shape[1]
    hop = int(rng.uniform(*HOLD_GRAIN_S) / 2 * SAMPLE_RATE)
    place = min(place, samples - 4 * hop)
    rate = stray = 0.0
    if rng.random() < 0.5:
        period = find_period(voice[:, place : place + 2 * hop].mean(axis=0))
        hop = period * max(1, round(hop / period))
    else:
        rate, stray = rng.uniform(0, HOLD_RATE), HOLD_STRAY_S * SAMPLE_RATE * rng.random()
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)).astype(np.float32) ** 2
    held = np.zeros((2, size + 2 * hop), np.float32)
    for start in range(0, size, hop):
        origin = int(place + rate * start + stray * rng.standard_normal())
        origin = min(max(origin, 0), samples - 2 * hop)
        held[:, start : start + 2 * hop] += window * voice[:, origin : origin + 2 * hop]
    return held[:, hop : hop + size]


def find_period(sound: Audio) -> int:
    """Return after how many samples a sound (samples,) is most like itself, by autocorrelation.

    It is looked for from 80 Hz to 1 kHz: as far as a voice's pitch goes.
    """
    power = np.abs(np.fft.rfft(sound, 2 * sound.size)) ** 2
    first, last = (int(seconds * SAMPLE_RATE) for seconds in HOLD_PERIOD_S)
    return first + int(np.fft.irfft(power)[first:last].argmax())
