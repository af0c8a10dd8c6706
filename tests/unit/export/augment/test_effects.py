"""What each effect does to a sound, and what it leaves alone."""

import numpy as np
import pytest

from export.augment.effects import (
    add_reverb,
    change_speed,
    double_voice,
    gain_to_level,
    pan,
    random_equalizer_gains,
    silence_one_end,
)
from export.constants import SAMPLE_RATE

SAMPLES = 3 * SAMPLE_RATE


def rms(sound):
    return np.sqrt(np.mean(np.square(sound, dtype=np.float64)))


def test_a_doubled_voice_is_wide_and_as_loud():
    rng = np.random.default_rng(0)
    voice = np.tile(rng.standard_normal(SAMPLES).astype(np.float32), (2, 1))
    doubled = double_voice(rng, voice)
    assert doubled.shape == voice.shape
    left, right = doubled
    assert np.corrcoef(left, right)[0, 1] < 0.9  # one and the same would be 1
    assert 0.9 < np.sqrt(np.mean(doubled**2)) < 1.5


def test_reverb_keeps_the_direct_sound_and_adds_a_tail_to_each_channel():
    dry = np.zeros((2, 44_100), np.float32)
    dry[:, 100] = 1
    wet = add_reverb(np.random.default_rng(0), dry)
    assert (wet.shape, wet.dtype) == (dry.shape, np.float32)
    assert np.abs(wet[:, :99]).max() < 1e-6  # what an FFT leaves
    np.testing.assert_allclose(wet[:, 100], 1, atol=0.1)
    left, right = wet[:, 101:20_000]
    assert min(rms(left), rms(right)) > 1e-4
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1  # two walls
    assert add_reverb(np.random.default_rng(0), dry[0]).shape == dry[0].shape


@pytest.mark.parametrize("tail_db", [-20.0, -3.0])
def test_a_rooms_tail_has_the_energy_asked_for(tail_db):
    dry = np.zeros(4 * SAMPLE_RATE, np.float32)
    dry[0] = 1
    tail = add_reverb(np.random.default_rng(3), dry, (tail_db, tail_db))
    tail[0] -= 1
    assert 10 * np.log10(np.sum(tail**2)) == pytest.approx(tail_db, abs=0.1)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_speed_moves_pitch_and_tempo_and_ends_in_silence(speed):
    time = np.arange(SAMPLES) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 400 * time).astype(np.float32) * np.ones((2, 1), np.float32)
    changed = change_speed(tone, speed, 2 * SAMPLES)
    assert (changed.shape, changed.dtype) == ((2, 2 * SAMPLES), np.float32)
    end = round(SAMPLES / speed)
    assert not changed[:, end + 100 :].any()
    assert rms(changed[:, : end - 100]) == pytest.approx(rms(tone), rel=0.02)
    power = np.abs(np.fft.rfft(changed[0, :SAMPLE_RATE]))  # bins of 1 Hz
    assert power.argmax() == pytest.approx(400 * speed, abs=1)


def test_levels_are_of_full_scale_and_silence_stays_quiet():
    rng = np.random.default_rng(0)
    sound = 0.02 * rng.standard_normal((2, SAMPLES)).astype(np.float32)
    for wanted in (-30.0, -6.0):
        gain = gain_to_level(rng, sound, (wanted, wanted))
        assert 20 * np.log10(rms(gain * sound)) == pytest.approx(wanted, abs=0.01)
    hiss = 5e-5 * sound
    assert rms(gain_to_level(rng, hiss, (0.0, 0.0)) * hiss) < 2e-3


def test_panning_keeps_the_power_and_spreads_about_the_middle():
    rng = np.random.default_rng(0)
    sound = np.tile(rng.standard_normal(1_000).astype(np.float32), (2, 1))
    places = []
    for _ in range(50):
        left, right = pan(rng, sound, 0.5)
        power = np.sum(left**2) + np.sum(right**2)
        assert power == pytest.approx(np.sum(sound**2), rel=1e-4)
        places.append((np.sum(right**2) - np.sum(left**2)) / power)
    assert abs(np.mean(places)) < 0.25
    assert 0.3 < np.std(places) < 0.7


def test_one_end_falls_silent_and_the_other_stays():
    sound = np.ones((2, SAMPLES), np.float32)
    ends = set()
    for seed in range(20):
        left, right = silence_one_end(np.random.default_rng(seed), sound)
        np.testing.assert_array_equal(left, right)
        ends.add((left[0], left[-1]))
        assert 0.1 < np.mean(left == 1) < 0.9
        assert np.mean((left > 0) & (left < 1)) < 0.01  # fades are short
    assert ends == {(0, 1), (1, 0)}


def test_equaliser_curves_are_smooth_and_bounded():
    curves = 20 * np.log10(random_equalizer_gains(np.random.default_rng(0), range(20), 1025))
    assert np.abs(curves).max() <= 6.001
    assert (np.abs(curves).max(axis=1) < 1e-5).any()  # some are left flat
    assert np.abs(np.diff(curves, axis=1))[:, 10:].max() < 1.0
