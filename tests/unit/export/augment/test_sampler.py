"""Chopped and held voices."""

import numpy as np
import pytest

from export.augment import sampler
from export.augment.sampler import chop, find_period, hold
from export.constants import SAMPLE_RATE

SAMPLES = 3 * SAMPLE_RATE


def test_a_chopped_voice_is_pieces_of_it_and_rests(monkeypatch):
    monkeypatch.setattr(sampler, "HOLD_CHANCE", 0)
    rng = np.random.default_rng(5)
    voice = (1 + np.arange(SAMPLES, dtype=np.float32)) * np.ones((2, 1), np.float32)
    left, right = chop(rng, voice)
    np.testing.assert_array_equal(left, right)
    # Away from the edges of pieces the voice goes on: one sample a sample.
    running = np.diff(left) == 1.0
    resting = (left[1:] == 0) & (left[:-1] == 0)
    assert 0.5 < running.mean() < 0.95
    assert 0.05 < resting.mean() < 0.5
    starts = {round(float(v)) for v in (left[1:] - np.arange(1, SAMPLES))[running]}
    assert len(starts) > 3  # the same few pieces at several places


def test_a_held_voice_stands_still_where_it_was_taken():
    hz = np.linspace(200, 400, SAMPLES)
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 6)).astype(np.float32) * np.ones((2, 1))
    place, size = SAMPLES // 2, SAMPLE_RATE
    for seed in range(6):
        held = hold(np.random.default_rng(seed), glide, place, size)
        assert held.shape == (2, size)
        first, last = (fundamental(part) for part in (held[0, : size // 3], held[0, -size // 3 :]))
        # 300 Hz there, and 20 Hz more at most as a cloud drifts; the voice itself moves by 45.
        assert 290 < first < 330
        assert abs(last - first) < 25
    # Within rounding to a whole sample.
    assert SAMPLE_RATE / find_period(glide[0, :2048]) == pytest.approx(200, rel=0.02)


def fundamental(sound):
    power = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 2**16))
    return power.argmax() * SAMPLE_RATE / 2**16
