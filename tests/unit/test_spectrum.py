"""The banded spectrum: the right band at the right level."""

import math

import numpy as np
import pytest

from streamsep.realtime.spectrum import BANDS, Spectrum

RATE, BLOCK = 44_100, 512


def levels(sound, rate=RATE):
    spectrum = Spectrum(rate, len(sound), BLOCK)
    for start in range(0, sound.shape[-1] - BLOCK + 1, BLOCK):
        spectrum.push(sound[:, start : start + BLOCK].astype(np.float32))
    return np.array(spectrum.levels_db())


def sine(hz, rate=RATE):
    return np.tile(np.sin(2 * np.pi * hz * np.arange(rate) / rate), (2, 1))


@pytest.mark.parametrize("rate", [44_100, 96_000])
@pytest.mark.parametrize("band", [0, 3, 11, 23])
def test_a_full_scale_sine_is_0_db_in_its_band(band, rate):
    found = levels(sine(80 * 2 ** (band / 3), rate), rate)
    # In the lowest band a little of the window's main lobe, four bins wide, is outside.
    assert -0.5 < found[band] < 0.01
    assert np.argmax(found) == band
    # The Hann window's side lobes fall by 18 dB an octave: nothing is left two bands away.
    assert np.delete(found, [max(band - 1, 0), band, min(band + 1, BANDS - 1)]).max() < -30


def test_half_the_amplitude_is_6_db_less():
    assert levels(0.5 * sine(1_016))[11] == pytest.approx(-6.02, abs=0.1)


def test_only_the_newest_sound_counts():
    assert levels(np.concatenate([sine(200), sine(2_032)], axis=-1))[14] > -0.5


def test_silence_and_too_little_sound_are_nothing():
    assert set(levels(np.zeros((2, RATE)))) == {-math.inf}
    assert set(levels(sine(1_016)[:, :2_048])) == {-math.inf}


def test_bands_above_half_the_rate_are_empty():
    found = levels(sine(1_016, 8_000), 8_000)
    assert np.argmax(found) == 11
    assert set(found[18:]) == {-math.inf}
