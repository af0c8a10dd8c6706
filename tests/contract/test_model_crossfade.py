"""Another model takes over while the music plays: nothing is lost, and latency stays reported."""

import threading
import time

import numpy as np
import pytest

from streamsep.errors import BackendError
from streamsep.realtime import LoadedModel, Session
from streamsep.separation import load_separator
from testing.sessions import play
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend

FRAMES, RATE = 512, 44_100
SWAP_AT = 60  # block
LATE = dict(frames_per_run=4, stride_frames=4, lookahead_frames=8)


@pytest.fixture
def build(tmp_path):
    """Build a separator that takes a share of the sound as vocals."""

    def make(vocals, **spec):
        return load_separator(models.constant_mask(tmp_path / f"{vocals}.onnx", vocals, **spec))

    return make


def switch_while(signal, first, load, *, bypass=False):
    """Switch models at a block; return the session, its latency before, and the output."""
    session = Session(first, device_frames=FRAMES)
    session.set_bypass(bypass)
    before = session.latency

    def between(index):
        session.wait_idle()
        if index == SWAP_AT:
            session.switch_model(load)
            while session.changing and session._processor.crossfade is None:
                time.sleep(0.001)  # simulated time stands still while it loads
            session.wait_idle()

    output = play(session, signal, FRAMES, between=between)
    return session, before.session, output


def test_models_of_one_delay_change_without_a_step_or_a_lost_sample(build):
    """Both take nothing away, so that the song must come out whole."""
    mixture = music(6.0)
    first, second = build(0.0), build(0.0)
    session, before, output = switch_while(mixture, first, lambda: LoadedModel(second))
    assert session.latency.session == before
    assert session._processor.pipeline.separator is second
    live = output[:, before:][:, : mixture.shape[-1]]
    np.testing.assert_allclose(live, mixture, atol=1e-6)
    assert session.snapshot().dropouts == 0
    assert [event.text.split(" plays")[0] for event in session.events.latest()] == [
        second.spec.name
    ]


def test_the_new_model_is_what_is_heard_afterwards(build):
    mixture = music(6.0)
    second = build(0.5)
    _, before, output = switch_while(mixture, build(0.0), lambda: LoadedModel(second))
    live = output[:, before:][:, : mixture.shape[-1]]
    np.testing.assert_allclose(
        live[:, : SWAP_AT * FRAMES], mixture[:, : SWAP_AT * FRAMES], atol=1e-6
    )
    np.testing.assert_allclose(live[:, -RATE:], 0.5 * mixture[:, -RATE:], atol=1e-6)


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("bypass", [True, False])
def test_models_of_two_delays_are_faded_and_the_report_follows(build, later, bypass):
    """A sine has no click in it: no step beyond its own and the fade's."""
    early, late = build(0.0), build(0.01, **LATE)
    first, second = (early, late) if later else (late, early)
    time_s = np.arange(6 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 220 * time_s)
    # An impulse near the end tells the delay.
    tone[-RATE // 2 :] = 0.0
    mark = len(tone) - RATE // 4
    tone[mark] = 0.5
    signal = np.repeat(tone[None].astype(np.float32), 2, axis=0)
    session, before, output = switch_while(
        signal, first, lambda: LoadedModel(second), bypass=bypass
    )
    assert session.latency.session != before
    assert (
        int(np.argmax(output[0, -RATE // 2 - 12_000 :])) + output.shape[-1] - (RATE // 2 + 12_000)
        == mark + session.latency.session
    )
    # The sine moves by 0.0157 a sample; the fade over 0.1 s adds at most 1 / 4410. The tone's own
    # beginning and end, and the impulse, are left out.
    heard = output[0, before + 100 : len(tone) - RATE // 2]
    assert np.abs(np.diff(heard)).max() < 0.0157 + 1 / 4_410 + 1e-4
    assert np.abs(heard).max() < 0.51


def test_one_that_has_stopped_giving_anything_is_left_from_the_original(build, tmp_path):
    """What is late for good is what a lighter model is wanted for: no fade waits for it."""
    mixture, hung = music(8.0), threading.Event()
    path = models.constant_mask(tmp_path / "stuck.onnx", 0.25)
    let_go = threading.Event()
    first = SlowBackend.separator(path, lambda: hung.is_set() and let_go.wait(30))
    second = build(0.5)
    session = Session(first, device_frames=FRAMES)

    def between(index):
        if index == SWAP_AT:
            hung.set()
            session.switch_model(lambda: LoadedModel(second))
            while session.changing and session._processor.crossfade is None:
                time.sleep(0.001)
        for pipeline in session._processor.pipelines:
            while pipeline.separator is not first and not pipeline.inference.idle:
                time.sleep(0.0001)
        if index < SWAP_AT:
            session.wait_idle()
        elif session._processor.pipeline.separator is second:
            let_go.set()

    output = play(session, mixture, FRAMES, between=between)
    live = output[:, session.latency.session :][:, : mixture.shape[-1]]
    before = slice(2_048, RATE // 2)
    np.testing.assert_allclose(live[:, before], 0.75 * mixture[:, before], atol=1e-6)
    # The original meanwhile, and then the second model's.
    np.testing.assert_allclose(live[:, -RATE:], 0.5 * mixture[:, -RATE:], atol=1e-6)
    between_models = slice(RATE, 3 * RATE // 2)
    np.testing.assert_array_equal(live[:, between_models], mixture[:, between_models])


def test_a_model_that_can_t_be_had_leaves_all_as_it_is(build):
    mixture = music(3.0)

    def load():
        raise BackendError("the GPU is gone", expected="a GPU", remedy="use --device cpu")

    session, before, output = switch_while(mixture, build(0.0), load)
    live = output[:, before:][:, : mixture.shape[-1]]
    np.testing.assert_allclose(live, mixture, atol=1e-6)
    (event,) = session.events.latest()
    assert "the model stays: the GPU is gone" in event.text


def test_a_model_of_another_rate_is_refused(build):
    session, *_ = switch_while(
        music(3.0), build(0.0), lambda: LoadedModel(build(0.3, sample_rate=48_000))
    )
    (event,) = session.events.latest()
    assert "48000 Hz; expected vocals, beat in 2 channels at 44100 Hz" in event.text
