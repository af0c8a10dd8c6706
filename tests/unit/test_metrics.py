"""The score: known errors give known decibels."""

import numpy as np
import pytest

from streamsep.evaluation.metrics import song_usdr
from testing.signals import music


def test_an_error_a_tenth_as_large_is_twenty_decibels():
    sound = music(0.5)
    assert song_usdr(sound, 1.1 * sound) == pytest.approx(20.0, abs=1e-3)
    assert song_usdr(sound, np.zeros_like(sound)) == pytest.approx(0.0, abs=1e-3)


def test_channels_count_together():
    reference = np.ones((2, 100), np.float32)
    estimate = reference.copy()
    estimate[0] = 0.0
    assert song_usdr(reference, estimate) == pytest.approx(10 * np.log10(2), abs=1e-6)


def test_silence_against_silence_is_no_error():
    assert song_usdr(np.zeros((2, 9)), np.zeros((2, 9))) == pytest.approx(0.0)


def test_an_estimate_without_an_error_is_measured_against_the_floor():
    """The challenge's 1e-7: a sample of 1 and no error are 70 dB."""
    assert song_usdr(np.ones((1, 1)), np.ones((1, 1))) == pytest.approx(70.0, abs=1e-4)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        song_usdr(np.zeros((2, 9)), np.zeros((2, 8)))
