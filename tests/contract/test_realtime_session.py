"""A session in another program's callback: exact, quiet about errors until asked, and no guest
that moves the furniture."""

import gc
import sys
import threading
from contextlib import ExitStack

import numpy as np
import pytest

import streamsep
from streamsep.errors import ArgumentError, ModelError
from testing.signals import music
from tests.support import separators

FRAMES = 512


class Flags:
    """As PortAudio's: true when something was lost."""

    def __init__(self, lost):
        self._lost = lost

    def __bool__(self):
        return self._lost


def play(session, sound, *, status=Flags(False)):  # noqa: B008
    """Call the callback as a stream does, but wait for the model; return (C, N)."""
    heard = []
    for start in range(0, sound.shape[-1] - FRAMES + 1, FRAMES):
        block = np.ascontiguousarray(sound[:, start : start + FRAMES].T)
        out = np.full_like(block, 7.0)
        session.callback(block, out, FRAMES, None, status)
        session._session.wait_idle()  # no clock waits for it here
        heard.append(out.T)
    return np.concatenate(heard, axis=-1)


def test_the_beat_comes_out_as_late_as_it_says(unet_shaped_model):
    model = streamsep.load(unet_shaped_model, device="cpu")
    sound = music(1.5)
    with streamsep.RealtimeSession(model, block_size=FRAMES) as session:
        heard = play(session, sound)[:, session.latency :]
        assert session.latency == session.stats().latency.session
    expected = streamsep.separate(sound, 44_100, model=model)["beat"][:, : heard.shape[-1]]
    assert np.abs(expected).max() > 0.05
    # Its first block fades in from the separator's silence.
    np.testing.assert_allclose(heard[:, FRAMES:], expected[:, FRAMES:], atol=1e-4)


@pytest.mark.parametrize(("stem", "share"), [("vocals", 0.5), ("instrumental", 0.5)])
def test_another_stem_is_heard_when_it_is_asked_for(half_model, stem, share):
    sound = music(1.0)
    with streamsep.RealtimeSession(half_model, block_size=FRAMES, stem=stem) as session:
        heard = play(session, sound)[:, session.latency :]
    expected = share * sound[:, : heard.shape[-1]]
    np.testing.assert_allclose(heard[:, FRAMES:], expected[:, FRAMES:], atol=1e-6)


def test_faders_and_bypass(half_model):
    sound = music(1.5)
    with streamsep.RealtimeSession(half_model, block_size=FRAMES) as session:
        session.set_gain("vocals", db=0.0)
        session.set_gain("accompaniment", db=-20.0)
        heard = play(session, sound)[:, session.latency :]
        np.testing.assert_allclose(heard[:, FRAMES:], 0.1 * sound[:, FRAMES : heard.shape[-1]])
        session.set_gain("beat", db=0.0)
        session.set_bypass(True)
        again = play(session, sound)[:, session.latency :]
        np.testing.assert_array_equal(again[:, FRAMES:], sound[:, FRAMES : again.shape[-1]])
        with pytest.raises(ValueError, match="no fader drums"):
            session.set_gain("drums", db=0.0)


def test_a_stream_is_opened_with_its_settings(half_model):
    session = streamsep.RealtimeSession(half_model, block_size=256)
    assert session.stream_settings == {
        "samplerate": 44_100,
        "blocksize": 256,
        "channels": 2,
        "dtype": "float32",
    }


def test_nothing_else_of_the_process_is_changed_unless_asked(half_model):
    before = sys.getswitchinterval(), gc.get_freeze_count(), threading.active_count()
    with streamsep.RealtimeSession(half_model):
        assert (sys.getswitchinterval(), gc.get_freeze_count()) == before[:2]
    with streamsep.RealtimeSession(half_model, tune_interpreter=True):
        assert sys.getswitchinterval() < before[0]
        assert gc.get_freeze_count() > before[1]
    assert (sys.getswitchinterval(), gc.get_freeze_count()) == before[:2]
    assert threading.active_count() <= before[2]


def test_lost_samples_and_bad_ones_are_counted(half_model):
    sound = music(0.3)
    sound[0, 100] = np.nan
    with streamsep.RealtimeSession(half_model, block_size=FRAMES) as session:
        heard = play(session, sound, status=Flags(True))
        stats = session.stats()
    assert np.isfinite(heard).all()
    assert stats.device_glitches == sound.shape[-1] // FRAMES
    assert stats.bad_samples == 1


@pytest.mark.parametrize(
    ("shape", "dtype", "says"),
    [
        ((256, 2), np.float32, r"got \(256, 2\) of float32; expected \(512, 2\) of float32"),
        ((512, 1), np.float32, r"got \(512, 1\) of float32; expected \(512, 2\)"),
        ((512, 2), np.int16, r"got \(512, 2\) of int16; expected \(512, 2\) of float32"),
    ],
)
def test_a_block_of_another_kind_is_silence_and_an_error_afterwards(half_model, shape, dtype, says):
    """Mono isn't broadcast without a word, and the callback itself never raises."""
    session = streamsep.RealtimeSession(half_model, block_size=FRAMES)
    out = np.ones(shape, dtype)
    running = ExitStack()
    running.enter_context(session)
    session.callback(np.ones(shape, dtype), out, len(out), None, Flags(False))
    assert not out.any()
    with pytest.raises(ArgumentError, match=says):
        session.check()
    with pytest.raises(ArgumentError, match=says):
        running.close()


def test_an_error_of_one_s_own_isn_t_covered_up(half_model):
    def fail():
        with streamsep.RealtimeSession(half_model) as session:
            session.callback(np.ones((7, 2), np.float32), np.ones((7, 2)), 7, None, Flags(False))
            raise KeyError

    with pytest.raises(KeyError):
        fail()


def test_a_model_that_breaks_is_heard_as_the_original_and_raised(half_model):
    running = ExitStack()
    session = running.enter_context(
        streamsep.RealtimeSession(separators.failing_later, block_size=FRAMES)
    )
    sound = music(2.0)
    heard = play(session, sound)[:, session.latency :]
    tail = slice(heard.shape[-1] - 10_000, heard.shape[-1])
    np.testing.assert_array_equal(heard[:, tail], sound[:, tail])
    with pytest.raises(ModelError, match="failing_later"):
        running.close()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (dict(block_size=0), ArgumentError, "block_size is 0; expected a whole number"),
        (dict(block_size=512.5), ArgumentError, r"block_size is 512\.5"),
        (dict(slack=-1), ArgumentError, "slack is -1"),
        (dict(stem="drums"), ModelError, "no drums"),
    ],
)
def test_what_can_t_be_is_refused(half_model, arguments, error, says):
    with pytest.raises(error, match=says):
        streamsep.RealtimeSession(half_model, **arguments)


def test_one_model_serves_several_sessions(half_model):
    model = streamsep.load(half_model)
    sound = music(0.8)
    with (
        streamsep.RealtimeSession(model, block_size=FRAMES) as one,
        streamsep.RealtimeSession(model, block_size=FRAMES, stem="vocals") as other,
    ):
        heard = [play(session, sound)[:, one.latency :] for session in (one, other)]
    for sound_of in heard:
        expected = 0.5 * sound[:, : sound_of.shape[-1]]
        np.testing.assert_allclose(sound_of[:, FRAMES:], expected[:, FRAMES:], atol=1e-6)
