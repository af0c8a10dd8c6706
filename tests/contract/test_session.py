"""Invariants 4, 5 and 7 in a running session: bypass, missed blocks, bad samples, faults."""

import gc
import sys
import threading

import numpy as np
import pytest

from streamsep.dsp.sanitize import MAX_AMPLITUDE
from streamsep.errors import BackendError, SessionError
from streamsep.realtime import Session
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.realtime.pipeline import Pipeline
from streamsep.separation import ChunkedSeparator, load_separator
from testing.sessions import play
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend

FRAMES = 512


def aligned(session, output, count):
    return output[:, session.latency.session :][:, :count]


def test_live_equals_offline(unet_shaped_model):
    mixture = music(1.5)
    session = Session(load_separator(unet_shaped_model), device_frames=441)
    live = aligned(session, play(session, mixture, 441), mixture.shape[-1])
    chunked = ChunkedSeparator(load_separator(unet_shaped_model))
    offline = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    np.testing.assert_array_equal(live, offline[1])  # the beat, by the same arithmetic


def test_bypass_is_bit_exact(unet_shaped_model):
    mixture = music(1.0)
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    session.set_bypass(True)
    live = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
    # The first block of all fades in from the (silent) separated signal.
    np.testing.assert_array_equal(live[:, FRAMES:], mixture[:, FRAMES:])


def test_switching_bypass_is_a_fade_not_a_step(tmp_path):
    """A tone that the model removes: bypass on and off moves its level smoothly."""
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 1.0))
    session = Session(separator, device_frames=FRAMES)
    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 100 * time).astype(np.float32) * np.ones((2, 1), np.float32)

    def between(index):
        session.wait_idle()
        session.set_bypass(20 <= index < 40)

    output = play(session, tone, FRAMES, between=between)
    assert np.abs(output[:, 22 * FRAMES : 40 * FRAMES]).max() > 0.4
    assert np.abs(output[:, 45 * FRAMES :]).max() < 1e-3
    # The tone itself moves by 0.0072 a sample, a fade over 512 adds 0.001.
    assert np.abs(np.diff(output, axis=-1)).max() < 0.0085


def test_faders_reach_their_gain(unet_shaped_model):
    mixture = music(1.0)
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    session.set_gain("guide", 0.0)
    live = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
    # Both stems at one give the mixture, once the fader has moved.
    np.testing.assert_allclose(live[:, FRAMES:], mixture[:, FRAMES:], atol=3e-7)


def test_missed_blocks_play_dry_and_shift_nothing(tmp_path):
    """Ten device blocks pass while one run hangs; later output is as if nothing had been."""
    path = models.constant_mask(tmp_path / "m.onnx", 0.5)
    open_gate = threading.Event()
    open_gate.set()
    separator = SlowBackend.separator(path, lambda: open_gate.wait(20))
    session = Session(separator, device_frames=FRAMES)
    mixture = music(2.0)

    def between(index):
        if index == 60:
            open_gate.clear()
        if index == 70:
            open_gate.set()
        if not 60 <= index < 70:
            session.wait_idle()

    output = play(session, mixture, FRAMES, between=between)
    stats = session.snapshot()
    assert 5 <= stats.dropouts <= 10
    live = aligned(session, output, mixture.shape[-1])
    at_half = 0.5 * mixture
    late = (61 * FRAMES - session.latency.session, 71 * FRAMES - session.latency.session)
    np.testing.assert_allclose(live[:, 2048 : late[0]], at_half[:, 2048 : late[0]], atol=1e-6)
    # After the last missed block: a fade over one, then the beat, in its place to the sample.
    after = late[1] + 2 * FRAMES
    np.testing.assert_allclose(live[:, after:], at_half[:, after:], atol=1e-6)
    # In between: the delayed original, in its place to the sample.
    middle = slice(late[0] + 5 * FRAMES, late[1] - FRAMES)
    np.testing.assert_array_equal(live[:, middle], mixture[:, middle])


def test_a_worker_too_far_behind_starts_anew_in_place(tmp_path):
    """Longer than the input ring: inference jumps to now, and what follows is in place."""
    path = models.lookahead_mask(tmp_path / "m.onnx", frames=4, lookahead=8)
    open_gate = threading.Event()
    open_gate.set()
    separator = SlowBackend.separator(path, lambda: open_gate.wait(20))
    session = Session(separator, device_frames=FRAMES)
    mixture = music(10.0)
    hung = range(40, 40 + int(5.0 * 44_100 / FRAMES))  # the ring holds four seconds

    def between(index):
        if index == hung.start:
            open_gate.clear()
        elif index == hung.stop:
            open_gate.set()
        if index not in hung:
            session.wait_idle()

    live = aligned(session, play(session, mixture, FRAMES, between=between), mixture.shape[-1])
    chunked = ChunkedSeparator(load_separator(path))
    offline = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)[1]
    settled = (hung.stop + 2) * FRAMES + session.latency.session + 2048
    assert settled < mixture.shape[-1] - 44_100
    # Not bit-equal: the frames' grid is the same, but one frame straddles the new start.
    np.testing.assert_allclose(live[:, settled:], offline[:, settled:], atol=1e-6)


def test_bad_samples_never_leave(unet_shaped_model):
    mixture = music(1.0)
    rng = np.random.default_rng(3)
    for value in (np.nan, np.inf, -np.inf, 1e38, -1e38):
        mixture[:, rng.integers(0, 40_000, 20)] = value
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    output = play(session, mixture, FRAMES)
    assert np.isfinite(output).all()
    assert session.snapshot().bad_samples == (~(np.abs(mixture) <= MAX_AMPLITUDE)).sum()


def test_silence_in_silence_out(unet_shaped_model):
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    assert not play(session, np.zeros((2, 44_100), np.float32), FRAMES).any()


def test_a_failing_backend_is_raised_by_the_main_thread_and_plays_dry(tmp_path):
    calls = iter(range(1_000))

    def gate():
        if next(calls) >= 20:
            raise BackendError("the GPU is gone", expected="a GPU", remedy="use --device cpu")

    path = models.constant_mask(tmp_path / "m.onnx", 1.0)
    session = Session(SlowBackend.separator(path, gate), device_frames=FRAMES)
    mixture = music(1.0)
    outputs = []
    with session:
        for start in range(0, mixture.shape[-1] - FRAMES, FRAMES):
            out = np.zeros((FRAMES, 2), np.float32)
            session.process_block(mixture[:, start : start + FRAMES].T, out, 0)
            session.wait_idle()
            outputs.append(out.T)
        with pytest.raises(BackendError, match="GPU is gone"):
            session.check()
    live = aligned(session, np.concatenate(outputs, axis=-1), mixture.shape[-1])
    np.testing.assert_array_equal(live[:, -5_000:], mixture[:, : live.shape[-1]][:, -5_000:])


def test_an_exception_in_the_callback_becomes_silence_and_is_raised_later(identity_model):
    session = Session(load_separator(identity_model), device_frames=FRAMES)
    out = np.ones((FRAMES, 2), np.float32)
    with session:
        session.process_block(np.zeros((FRAMES + 1, 2), np.float32), out, 0)
        assert not out.any()
        with pytest.raises(SessionError, match="the session broke"):
            session.check()


def test_a_wake_that_another_thread_was_quicker_with_neither_raises_nor_is_lost(identity_model):
    """The audio and the main thread see the semaphore taken at once, and both release it."""
    session = Session(load_separator(identity_model), device_frames=FRAMES)
    inference = session._processor.pipeline.inference
    semaphore = inference._semaphore

    class Raced:
        """Released by another thread in the moment after it was looked at."""

        acquire, release = semaphore.acquire, semaphore.release
        races = 0

        def locked(self):
            taken = semaphore.locked()
            if taken:
                semaphore.release()
                self.races += 1
            return taken

    inference._semaphore = raced = Raced()
    mixture = music(1.0)
    output = play(session, mixture, FRAMES)  # raises what goes wrong on any thread
    assert raced.races > 20
    live = aligned(session, output, mixture.shape[-1])
    np.testing.assert_allclose(live[:, 2048:], mixture[:, 2048:], atol=1e-6)
    assert session.snapshot().dropouts == 0


def test_a_failing_wake_is_raised_by_the_main_thread_and_not_by_the_callback(
    identity_model, monkeypatch
):
    session = Session(load_separator(identity_model), device_frames=FRAMES)

    def fail(pipeline):
        raise OSError("no semaphore")

    out = np.ones((FRAMES, 2), np.float32)
    with session:
        with monkeypatch.context() as patch:
            patch.setattr(Pipeline, "wake", fail)
            session.process_block(np.zeros((FRAMES, 2), np.float32), out, 0)
        assert not out.any()
        with pytest.raises(SessionError, match="no semaphore"):
            session.check()


def test_a_session_leaves_the_interpreter_as_it_is(identity_model):
    """In another's process its settings are none of a session's business."""
    before = sys.getswitchinterval(), gc.get_freeze_count()
    with Session(load_separator(identity_model), device_frames=FRAMES):
        assert (sys.getswitchinterval(), gc.get_freeze_count()) == before


def test_a_low_latency_interpreter_is_put_back():
    before = sys.getswitchinterval(), gc.get_freeze_count()
    with low_latency_interpreter():
        assert sys.getswitchinterval() < before[0]
        assert gc.get_freeze_count() > before[1]
    assert (sys.getswitchinterval(), gc.get_freeze_count()) == before


def test_unknown_stems_are_refused(identity_model):
    with pytest.raises(ValueError, match="drums"):
        Session(load_separator(identity_model), device_frames=FRAMES, gains={"drums": 1.0})
    session = Session(load_separator(identity_model), device_frames=FRAMES)
    with pytest.raises(ValueError, match="drums"):
        session.set_gain("drums", 0.0)
