"""A live run as a program starts and ends it: its threads, its end, and what it leaves alone."""

import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import wait
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import ArgumentError, DeviceError, EffectError
from streamsep.events import EventLog
from streamsep.live import model_probe
from streamsep.live.config import LiveConfig
from streamsep.live.player import LivePlayer
from streamsep.priority import OTHERS, promoted
from streamsep.separation import load_separator
from testing.servers import wait_until
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend
from tests.support.cases import one_fast
from tests.support.weights import Weights

PCM_24 = 2.0**-23  # see test_sound_file
# Nothing here depends on time: with buffers this long a machine may stand still for a while.
PATIENT = dict(block=2_048, slack=44_100)


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.fixture
def endless(tmp_path):
    sf.write(tmp_path / "endless.wav", np.tile(music(2.0).T, (60, 1)), 44_100)
    return tmp_path / "endless.wav"


@pytest.fixture
def config(song, identity_model):
    return LiveConfig(input=song, output="null", model=identity_model, **PATIENT)


def read(path):
    return sf.read(path, dtype="float32", always_2d=True)[0].T


def of_the_process():
    """What a player may change for the music, and only when asked to."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    priority = getattr(os, "sched_getscheduler", lambda process: None)(0)
    return sys.getswitchinterval(), gc.get_freeze_count(), dict(os.environ), handlers, priority


def test_it_plays_by_itself_until_the_song_is_over(config, song, tmp_path):
    before = threading.enumerate()
    with LivePlayer(config, record=tmp_path / "take.wav") as player:
        assert player.wait(60.0)
        assert player.stats().seconds >= 1.0
        assert player.latency.session > 22_050
    np.testing.assert_allclose(read(tmp_path / "take.wav"), read(song), atol=PCM_24, rtol=0)
    assert player.events.latest()[-1].text == f"{tmp_path}/take.wav: 1.00 s recorded"
    assert not {*threading.enumerate()} - {*before}


def test_a_file_is_heard_at_once_and_to_its_end(config, song, tmp_path):
    """Also where it is shorter than the latency, all of which is read ahead, from the start on."""
    short = tmp_path / "short.wav"
    sf.write(short, read(song)[:, :5_000].T, 44_100, subtype="FLOAT")
    with LivePlayer(config, input=short, record=tmp_path / "take.wav") as player:
        assert player.latency.total == 0
        player.wait()
        assert player.latency.ahead == player.latency.session > 22_050
        assert player.latency.total == 0
        assert 5_000 <= player.stats().seconds * 44_100 < 5_000 + 2 * 2_048
    np.testing.assert_allclose(read(tmp_path / "take.wav"), read(short), atol=PCM_24, rtol=0)


@pytest.mark.slow
def test_a_change_of_models_is_none_of_places_in_a_file(config, endless, tmp_path):
    late = dict(name="far", frames_per_run=4, stride_frames=4, lookahead_frames=8)
    far = models.constant_mask(tmp_path / "far.onnx", **late)
    near = models.constant_mask(tmp_path / "near.onnx", name="near")
    with LivePlayer(
        config, input=endless, model=(far, near), record=tmp_path / "take.wav"
    ) as player:
        player.next_model()
        wait_until(player.events.latest, "the other model")
        assert player.events.latest()[-1].text == "near plays now, 0 ms in all"
    recorded = read(tmp_path / "take.wav")
    assert recorded.shape[-1] > 44_100
    expected = read(endless)[:, : recorded.shape[-1]]
    np.testing.assert_allclose(recorded, expected, atol=PCM_24, rtol=0)


@pytest.mark.slow
def test_a_machine_that_doesn_t_keep_up_steps_down_while_it_plays(endless, tmp_path, monkeypatch):
    """Cross-faded, in its place in the song, and by itself: nobody looks at the player."""
    weights, load, busy = Weights(tmp_path / "weights", monkeypatch), load_separator, []
    best = weights.add_best()

    def slow(model, **options):
        if model != best:
            return load(model, **options)
        # One hop takes three while the machine is busy.
        return SlowBackend.separator(weights.file("live"), lambda: busy and time.sleep(0.07))

    monkeypatch.setattr(model_probe, "load_separator", slow)
    take = tmp_path / "take.wav"
    with LivePlayer(input=endless, output="null", record=take, slack=8_192) as player:
        assert player.events.latest()[0].text.startswith("model studio: ")
        busy.append("with something else")
        wait_until(lambda: any("plays now" in e.text for e in player.events.latest()), "a change")
        told = [event.text for event in player.events.latest() if event.kind == "event"]
        assert told == [
            "late for three seconds: stepping down to the model live",
            "live plays now, 0 ms in all",
        ]
        late, since = player.session.dropouts, player.recorded_s
        wait_until(lambda: player.recorded_s > since + 0.5, "more of the song")
        assert player.session.dropouts == late
    # These models take nothing out, so that it is the song all along.
    recorded = read(take)
    expected = read(endless)[:, : recorded.shape[-1]]
    np.testing.assert_allclose(recorded, expected, atol=PCM_24 + 1e-6, rtol=0)


def test_in_another_s_process_it_leaves_everything_alone(config):
    """Signal handlers too, and so it may play from any thread."""
    before, seen, wrong = of_the_process(), [], []

    def elsewhere():
        try:
            with LivePlayer(config, seconds=0.2) as player:
                seen.append(of_the_process())
                player.wait()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert (seen, wrong) == ([before], [])


def test_a_process_of_its_own_is_tuned_and_put_back(config):
    before = of_the_process()
    with LivePlayer(config, seconds=0.2, tune_process=True) as player:
        interval, frozen, *_, priority = of_the_process()
        assert interval < before[0]
        assert frozen > before[1]
        player.wait()
    assert of_the_process() == before
    with promoted(OTHERS):
        if of_the_process()[-1] != before[-1]:  # where the system allows it
            assert priority != before[-1]


def test_closing_ends_it_and_may_be_done_again(config, endless, tmp_path):
    player = LivePlayer(config, input=endless, record=tmp_path / "take.wav")
    with player:
        assert not player.wait(0.0)
        wait_until(lambda: player.recorded_s, "some music")
        player.close()
        assert player.wait(0.0)
        assert 0.0 < player.recorded_s < 60.0
        recorded = read(tmp_path / "take.wav")
        player.close()
    np.testing.assert_allclose(
        recorded, read(endless)[:, : recorded.shape[-1]], atol=PCM_24, rtol=0
    )
    assert len([e for e in player.events.latest() if e.kind == "report"]) == 1
    with pytest.raises(RuntimeError, match="once"):
        player.start()


def test_what_isn_t_started_has_nothing_to_say(config):
    player = LivePlayer(config)
    assert not player.wait(0.0)
    with pytest.raises(RuntimeError, match="nothing plays yet"):
        player.stats()
    player.close()
    with pytest.raises(RuntimeError, match="once"):
        player.start()


def test_faders_by_what_a_programmer_calls_them(config):
    with LivePlayer(config, guide=50.0) as player:
        assert player.stats().faders["guide"] == pytest.approx(-6.02, abs=0.01)
        player.set_gain("vocals", db=-12)
        player.set_gain("accompaniment", db=-3)
        player.set_gain("master", db=-1)
        assert player.stats().faders == {"guide": -12, "beat": -3, "mic": 0, "master": -1}
        player.set_gain("instrumental", db=-2)
        player.set_bypass(True)
        stats = player.stats()
        assert (stats.faders["beat"], stats.bypass) == (-2, True)
        with pytest.raises(ValueError, match="no fader drums"):
            player.set_gain("drums", db=0)
        with pytest.raises(ValueError, match="without one"):
            player.set_key(2)


class TestTrouble:
    """Each is told once, to who asks first; everything is closed all the same."""

    @pytest.fixture
    def half(self, tmp_path):
        path = tmp_path / "half.flac"
        sf.write(path, music(2.0).T, 44_100, subtype="PCM_24")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    @pytest.mark.slow
    def test_who_waits_is_told(self, config, half):
        with LivePlayer(config, input=half) as player:
            assert player.wait(60.0)
        assert [notice.lost for notice in player.notices] == [True]
        assert any(
            str(notice) == event.text
            for event in player.events.latest()
            for notice in player.notices
        )

    def test_who_doesn_t_is_told_at_the_end(self, config, half, tmp_path):
        player = LivePlayer(config, input=half, record=tmp_path / "take.wav")
        player.start()
        wait_until(lambda: (tmp_path / "take.wav").stat().st_size > 140_000, "what there is")
        player.close()
        player.close()
        assert any(notice.lost for notice in player.notices)
        assert read(tmp_path / "take.wav").shape[-1] > 22_050

    def test_an_error_of_who_plays_stays_that(self, config, half):
        with pytest.raises(KeyError, match="mine"), LivePlayer(config, input=half):
            raise KeyError("mine")

    def test_a_model_that_fails_while_it_runs(self, config, endless, tmp_path):
        broken = models.constant_mask(tmp_path / "m.onnx")
        with LivePlayer(config, input=endless, model=broken) as player:

            def fail(block, out):
                raise ArithmeticError("odd")

            player.session._processor.pipeline.separator.process = fail
            with pytest.raises(Exception, match="odd"):
                player.wait(60.0)

    @pytest.mark.parametrize(
        ("changes", "error"),
        one_fast(
            [
                (dict(output="theremin"), DeviceError),
                (dict(mic="theremin"), DeviceError),
                (dict(effect=("Theremin",)), EffectError),
                (dict(lyrics="nowhere.lrc"), Exception),
            ]
        ),
    )
    def test_what_can_t_be_had_leaves_nothing_open(self, config, tmp_path, changes, error):
        before = threading.enumerate()
        handles = len(os.listdir("/proc/self/fd"))
        player = LivePlayer(config, record=tmp_path / "take.wav", **changes)
        with pytest.raises(error):
            player.start()
        player.close()
        gc.collect()
        assert not {*threading.enumerate()} - {*before}
        assert len(os.listdir("/proc/self/fd")) <= handles
        assert not (tmp_path / "take.wav").exists()


def test_ctrl_c_while_a_file_is_read_ahead_leaves_nothing_open(config, endless, monkeypatch):
    before, player = threading.enumerate(), LivePlayer(config, input=endless)

    def interrupted(timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(player._begun, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        player.start()
    assert not {*threading.enumerate()} - {*before}


def test_a_display_is_entered_shown_and_left(config):
    seen = []

    class Shown:
        def __enter__(self):
            seen.append("entered")

        def update(self):
            seen.append("shown")

        def wait(self, running):
            wait([running], timeout=0.05)

        def __exit__(self, *exception):
            seen.append("left")

    with LivePlayer(config, seconds=0.3) as player:
        stats = player.run(Shown())
    assert stats.seconds >= 0.3
    assert (seen[0], seen[1], seen[-1]) == ("entered", "shown", "left")
    assert seen.count("shown") == len(seen) - 2 >= 2


def test_events_are_told_at_once(config, song, tmp_path):
    told = []
    log = EventLog(told.append)
    with LivePlayer(config, mic=song, voice_effects="off", events=log) as player:
        assert [(e.kind, e.text.split(":")[0]) for e in told] == [("report", "microphone")]
        player.stop()
    assert tuple(told) == player.events.latest()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(block=8), ("block",)),
        (dict(slack=-1), ("slack",)),
        (dict(guide=101), ("guide",)),
        (dict(key=7), ("key",)),
        (dict(beat_gain=float("nan")), ("beat_gain",)),
        (dict(master_gain=30.0), ("master_gain",)),
        (dict(seconds=0.0), ("seconds",)),
        (dict(voice_effects="cave"), ("voice_effects",)),
        (dict(capture="mpv"), ("input", "capture")),
        (dict(record_stems=("mic",)), ("mic", "record_stems")),
        (dict(mic_effect=("Gain",)), ("mic", "mic_effect")),
    ],
)
def test_settings_that_can_t_be_are_named_and_no_options(settings, named):
    with pytest.raises(ArgumentError) as raised:
        LivePlayer(**settings)
    assert raised.value.settings == named
    assert "--" not in str(raised.value)


def test_paths_and_names_are_taken_for_each_other(tmp_path):
    config = LiveConfig(input=tmp_path, output=tmp_path / "a.wav", record="b.wav")
    assert (config.input, config.output_file) == (str(tmp_path), tmp_path / "a.wav")
    assert config.record.name == "b.wav"
    assert replace(config, output="speakers").output_file is None
