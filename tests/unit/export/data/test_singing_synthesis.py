"""Speech made to sing: new pitch on a scale, the same level, longer vowels."""

import numpy as np
import pytest

from export.constants import SAMPLE_RATE
from export.data import singing_synthesis as module
from export.data.singing_synthesis import FRAME_MS, SUNG_HZ, follow, melody, synthesize_singing


def say(pitch_hz, seconds=0.8, seed=0):
    """A buzz with formants and a pause: as near to "ah" as a test needs."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(
        np.sin(2 * np.pi * k * pitch_hz * time) / (1 + abs(k * pitch_hz - 700) / 300)
        for k in range(1, 40)
    )
    sound = np.concatenate([buzz, np.zeros(SAMPLE_RATE // 5)])
    return (0.05 * sound + 1e-4 * rng.standard_normal(sound.size)).astype(np.float32)


def pitches(sound):
    import pyworld

    x = sound.astype(np.float64)
    f0, _times = pyworld.harvest(x, SAMPLE_RATE, frame_period=FRAME_MS)
    return f0[f0 > 0]


@pytest.mark.slow
def test_a_vowel_becomes_notes():
    spoken = say(120)
    sung = synthesize_singing(spoken, np.random.default_rng(1))
    assert sung.dtype == np.float32
    assert np.isfinite(sung).all()
    assert sung.size > 1.1 * spoken.size  # vowels last at least a fifth longer
    level = np.sqrt(np.mean(sung**2) / np.mean(spoken**2))
    assert level == pytest.approx(1.0, rel=1e-3)
    before, after = pitches(spoken), pitches(sung)
    assert np.ptp(np.percentile(before, [10, 90])) < 2
    # Several notes a tone or more apart, and none of them where the voice spoke for long.
    assert np.ptp(np.percentile(after, [10, 90])) > 0.1 * np.median(after)


@pytest.mark.slow
def test_the_same_draw_sings_the_same():
    first, second, other = (
        synthesize_singing(say(150), np.random.default_rng(s)) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert first.size != other.size


@pytest.mark.parametrize("spoken_hz", [75.0, 110.0, 210.0, 400.0])
def test_melodies_stay_where_people_sing(spoken_hz):
    for seed in range(20):
        notes = melody(600, spoken_hz, np.random.default_rng(seed))
        assert notes.shape == (600,)
        # Vibrato, drift and a note a little off: within a tone of the range.
        assert notes.min() > SUNG_HZ[0] * 2 ** (-2 / 12)
        assert notes.max() < SUNG_HZ[1] * 2 ** (2 / 12)


@pytest.mark.slow
def test_a_given_tune_is_sung_in_the_octave_of_the_singer():
    tune = np.repeat([84.0, 86.0, 88.0], 100)  # three octaves above a man's voice
    sung = synthesize_singing(say(120), np.random.default_rng(2), tune)
    assert sung.size == pytest.approx(len(tune) * FRAME_MS * SAMPLE_RATE / 1_000, rel=0.02)
    for part, note in zip(np.split(sung[: len(sung) // 3 * 3], 3), (84, 86, 88), strict=True):
        heard = 12 * np.log2(np.median(pitches(part)) / 440) + 69
        off = (heard - note + 6) % 12 - 6
        assert abs(off) < 0.6  # a note is sung a tenth of a semitone off, more where it glides
        assert 40 < heard < 70


@pytest.mark.parametrize("note", [20.0, 60.0, 110.0])
def test_tunes_stay_where_people_sing(note):
    sung = follow(np.full(300, note), 200.0, np.random.default_rng(1))
    assert SUNG_HZ[0] * 2 ** (-2 / 12) < sung.min() < sung.max() < SUNG_HZ[1] * 2 ** (2 / 12)


def test_what_holds_no_voice_is_not_sung():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(SAMPLE_RATE).astype(np.float32)
    assert synthesize_singing(noise, rng) is None
    assert synthesize_singing(np.zeros(100, np.float32), rng) is None


def test_formants_move_up():
    envelope = np.full((1, 1025), 1e-6)
    envelope[0, 100] = 1.0
    moved = module._move_formants(envelope, 1.2)
    assert moved[0].argmax() == 120
