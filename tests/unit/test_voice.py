"""The singer's presets, with the real pedalboard: each part is heard to do its work."""

import subprocess
import sys

import numpy as np
import pytest

from streamsep.effects.voice import PRESETS, VOICE_EFFECTS, voice_board
from streamsep.effects.voice_chain import VoiceChain
from testing.signals import music

RATE, BLOCK = 44_100, 256


def stream(board, sound):
    blocks = range(0, sound.shape[-1] - BLOCK + 1, BLOCK)
    return np.concatenate([board(sound[:, s : s + BLOCK]) for s in blocks], axis=-1)


def tone(hertz, level, seconds=1.0):
    time = np.arange(int(seconds * RATE)) / RATE
    return np.tile(level * np.sin(2 * np.pi * hertz * time), (2, 1)).astype(np.float32)


def gain_db(preset, hertz, level):
    sound = tone(hertz, level)
    done = stream(voice_board(preset, RATE), sound)[:, RATE // 2 :]
    return 20 * np.log10(np.std(done) / np.std(sound[:, RATE // 2 :]))


def test_hum_is_taken_out_and_loud_is_evened_out():
    assert gain_db("dry", 20.0, 0.01) < gain_db("dry", 1_000.0, 0.01) - 12
    # 20 dB louder comes out less than 12 dB louder: three to one above -24 dB.
    assert gain_db("dry", 1_000.0, 0.05) - gain_db("dry", 1_000.0, 0.5) > 8


@pytest.mark.parametrize(("preset", "tail_s"), [("dry", 0.0), ("room", 0.1), ("stage", 0.5)])
def test_reverb_and_echo_outlast_the_voice(preset, tail_s):
    sound = np.concatenate([tone(400.0, 0.3, 0.5), np.zeros((2, RATE), np.float32)], axis=-1)
    done = stream(voice_board(preset, RATE), sound)
    audible = np.flatnonzero(np.abs(done[0]) > 3e-3)[-1] / RATE - 0.5
    assert audible >= tail_s - 0.01
    if not tail_s:
        assert audible < 0.02


@pytest.mark.parametrize("preset", PRESETS)
def test_blocks_make_no_difference(preset):
    """State is kept between blocks: the same sound, whatever comes at once."""
    sound = music(1.0)[:, : 160 * BLOCK]
    whole = voice_board(preset, RATE)(sound)
    np.testing.assert_allclose(stream(voice_board(preset, RATE), sound), whole, atol=1e-5, rtol=0)


def test_off_is_nothing_and_needs_nothing():
    assert voice_board("off", RATE) is None
    assert set(VOICE_EFFECTS) == {"off", "dry", "room", "hall", "stage"}


def test_without_the_extra_one_line_names_it():
    code = (
        "import sys; sys.modules['pedalboard'] = None\n"
        "from streamsep.effects.voice import voice_board\n"
        "voice_board('room', 44100)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(
        "expected the extra 'voice' to be installed; pip install 'streamsep[voice]', or do "
        "without: voice effects off"
    )


def test_another_preset_takes_over_without_a_click_and_plugins_stay():
    chain = VoiceChain("off", RATE)
    sound = tone(400.0, 0.3, 2.0)
    first = stream(chain, sound[:, : 100 * BLOCK])
    np.testing.assert_array_equal(first, sound[:, : 100 * BLOCK])
    chain.choose("stage")
    assert chain.preset == "stage"
    second = stream(chain, sound[:, 100 * BLOCK : 200 * BLOCK])
    joined = np.concatenate([first, second], axis=-1)[0]
    # A step would be as large as the sound; a sine of 400 Hz moves by 6 % of its peak a sample.
    assert np.abs(np.diff(joined)).max() < 0.1 * np.abs(joined).max()
    stream(chain, tone(400.0, 0.3, 1.0))  # until the one before has died away
    chain.choose("off")
    stream(chain, np.zeros((2, RATE + BLOCK), np.float32))
    last = stream(chain, sound[:, 230 * BLOCK : 240 * BLOCK])
    np.testing.assert_allclose(last, sound[:, 230 * BLOCK : 240 * BLOCK], atol=1e-6)
