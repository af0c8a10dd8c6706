"""The key changer, with the real Rubber Band: pitch, place in time, and changes while it plays."""

import numpy as np
import pytest

from streamsep.effects.key import HIGHEST, LOWEST, KeyChanger
from testing.signals import music
from tests.support.cases import one_fast

RATE, BLOCK = 44_100, 1_024


def run(changer, sound, *, block=BLOCK, moves=None):
    """Feed (C, N) as vocals and, negated, as beat; return both, (2, C, N)."""
    parts = []
    for index, start in enumerate(range(0, sound.shape[-1] - block + 1, block)):
        if moves and index in moves:
            changer.set_key(moves[index])
        stems = np.stack([sound, -sound])[..., start : start + block].copy()
        changer.process(stems)
        parts.append(stems)
    return np.concatenate(parts, axis=-1)


def tone(hertz, seconds=1.5):
    time = np.arange(int(seconds * RATE)) / RATE
    return np.tile(0.3 * np.sin(2 * np.pi * hertz * time), (2, 1)).astype(np.float32)


def pitch(sound):
    """Return the frequency of a tone (N,) and its power over that of all else, in dB."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound))) ** 2
    hertz = np.arange(len(spectrum)) * RATE / (8 * len(sound))
    found = hertz[np.argmax(spectrum)]
    near = np.abs(hertz - found) < 12
    return found, 10 * np.log10(spectrum[near].sum() / spectrum[~near].sum())


@pytest.mark.parametrize("semitones", one_fast([LOWEST, -1, 1, 5, HIGHEST]))
def test_a_tone_is_moved_by_semitones_and_stays_one(semitones):
    vocals, _ = run(KeyChanger(semitones, RATE, 2, BLOCK), tone(440.0))
    found, purity_db = pitch(vocals[0, RATE // 2 : RATE])
    assert 1_200 * abs(np.log2(found / 440.0) - semitones / 12) < 3  # cents
    assert purity_db > 30
    assert np.std(vocals[0, RATE // 2 : RATE]) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_key_zero_is_the_sound_itself_as_late():
    changer = KeyChanger(0, RATE, 2, BLOCK)
    sound = music(1.0)
    vocals = run(changer, sound)[0]
    np.testing.assert_array_equal(
        vocals[:, changer.delay :], sound[:, : vocals.shape[-1] - changer.delay]
    )


@pytest.mark.parametrize("semitones", one_fast([LOWEST, -1, 1, HIGHEST]))
@pytest.mark.parametrize("block", one_fast([512, 1_024, 4_096]))
def test_every_key_is_equally_late_and_never_runs_dry(semitones, block):
    changer = KeyChanger(semitones, RATE, 2, block)
    rng = np.random.default_rng(0)
    sound = np.zeros((2, 3 * RATE), np.float32)
    for start in range(RATE // 2, 2 * RATE, RATE // 5):
        burst = rng.uniform(-0.5, 0.5, 600) * np.hanning(600)
        sound[:, start : start + 600] = burst
    vocals = run(changer, sound, block=block)[0]
    assert [shifter.missed for shifter in changer._playing] == [0, 0]
    # Envelopes: what is shifted has no samples of its own to line up.
    ours, theirs = (np.convolve(x[0] ** 2, np.hanning(256), "same") for x in (sound, vocals))
    size = 2**18
    match = np.fft.irfft(np.fft.rfft(theirs, size) * np.conj(np.fft.rfft(ours, size)))
    # Rubber Band centres it to 3 ms: 140 samples at most were measured.
    assert abs(int(np.argmax(match[: RATE // 4])) - changer.delay) < 220


def test_keys_change_while_it_plays_without_a_step_or_a_move():
    """Up, back to the original, and, before the way there is over, down: a tone all along."""
    moves = {20: 2, 50: 0, 80: 3, 82: -2}
    changer = KeyChanger(0, RATE, 2, BLOCK)
    vocals = run(changer, tone(220.0, 3.0), moves=moves)[0, 0]
    # Of one shifted tone to another: slopes of both, and a fade over a block between levels.
    steps = np.abs(np.diff(vocals[changer.delay + 600 :]))
    assert steps.max() < 0.3 * 2 * np.pi * 250 / RATE * 1.2 + 0.6 / BLOCK
    for first, key in ((10, 0), (35, 2), (65, 0), (100, -2)):
        found, _ = pitch(vocals[first * BLOCK : (first + 12) * BLOCK])
        assert 1_200 * abs(np.log2(found / 220.0) - key / 12) < 8, key  # cents, of 0.28 s
    # Back at zero it is the sound itself again, where it belongs.
    back = slice(62 * BLOCK, 78 * BLOCK)
    late = slice(back.start - changer.delay, back.stop - changer.delay)
    np.testing.assert_array_equal(vocals[back], tone(220.0, 3.0)[0, late])


def test_reset_forgets_the_sound_and_keeps_the_key():
    changer = KeyChanger(2, RATE, 2, BLOCK)
    run(changer, music(0.5))
    changer.reset()
    assert np.abs(run(changer, np.zeros((2, RATE), np.float32))).max() < 1e-6
    assert changer.semitones == 2


def test_keys_that_aren_t_there_are_refused():
    changer = KeyChanger(0, RATE, 2, BLOCK)
    with pytest.raises(ValueError, match=r"a key of 7 is not in -6\.\.\.6"):
        changer.set_key(7)
