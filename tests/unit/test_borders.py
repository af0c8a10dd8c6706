"""Any exception of a file, a device or a thread is the failure of that alone, and is told."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.capture.null_sink import Loopback
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream, StreamState
from streamsep.audio.devices.stream_watch import StreamWatch
from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.recorder import Recorder
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import AudioWriter
from streamsep.errors import UnexpectedError
from streamsep.events import EventLog
from streamsep.live.config import LiveConfig
from streamsep.live.player import LivePlayer
from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_fast

RATE, BLOCK = 44_100, 512
ASKED_ANEW = "the sound server is asked anew ("
FOREIGN = [ValueError("odd\nlines"), OSError(5, "Input/output error"), MemoryError(), KeyError("x")]


@pytest.fixture(params=one_fast(FOREIGN), ids=lambda error: type(error).__name__)
def foreign(request):
    return request.param


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, RATE)
    return tmp_path / "song.wav"


def raising(error):
    def fail(*arguments, **options):
        raise error

    return fail


def texts(events):
    return [event.text for event in events.latest()]


def test_a_decoder_s_is_the_end_of_its_file_and_told(song, foreign, monkeypatch):
    def chunks(reader):
        yield np.zeros((2, RATE), np.float32)
        raise foreign

    monkeypatch.setattr(AudioReader, "chunks", chunks)
    source = FileSource(song, sample_rate=RATE, channels=2)
    source.start()
    out = np.zeros((BLOCK, 2), np.float32)
    wait_until(lambda: source.read(out) == 0 and source.finished, "the end")
    source.close()
    assert isinstance(source.fault, UnexpectedError)
    assert source.fault.what.startswith(f"{song}: {type(foreign).__name__}")


def test_a_writer_s_is_the_end_of_its_recording_and_told(tmp_path, foreign, monkeypatch):
    told = []
    recorder = Recorder(tmp_path / "take.wav", RATE, 2, block_size=BLOCK, failed=told.append)
    recorder.push(np.zeros((2, BLOCK), np.float32))
    wait_until(lambda: recorder.written, "the first samples")
    monkeypatch.setattr(AudioWriter, "write", raising(foreign))
    recorder.push(np.zeros((2, BLOCK), np.float32))
    wait_until(lambda: told, "the fault")
    recorder.close()
    assert told == [recorder.fault]
    assert type(foreign).__name__ in recorder.fault.what
    assert sf.info(tmp_path / "take.wav").frames == BLOCK


class Device:
    """Stands for PortAudio and a stream that ends, can't be opened for a while, and is back."""

    class PortAudioError(Exception):
        pass

    _exit_handler = None

    def __init__(self, errors):
        self._errors, self.closed = list(errors), False
        self.active, self.opened = True, 0

    def open(self):
        self.opened += 1
        if self.opened > 1 and self._errors:
            raise self._errors.pop(0)
        self.active = True
        return self

    def start(self):
        pass

    def close(self):
        pass


def test_whatever_opening_a_device_again_raises_it_is_tried_again(foreign):
    events, device = EventLog(), Device([foreign, foreign, foreign])
    stream = ReconnectingStream(device, device.open, "microphone 'x'", events)
    stream.start()
    device.active = False
    wait_until(lambda: stream.state is StreamState.RETURNED, "its return")
    stream.close()
    said = texts(events)
    assert said[0] == "microphone 'x' is gone: silence until it is back"
    assert said[1].startswith("microphone 'x' can't be opened again (")
    assert said[2:] == ["microphone 'x' is back"]


class Server:
    """Stands for a connection to a sound server that breaks once, in any way."""

    def __init__(self, error):
        self._error, self.connected, self.looked = error, 0, 0

    def connect(self):
        self.connected += 1

    def close(self):
        pass

    def watch(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait_for_change(self, timeout_s):
        self.looked += 1
        return False

    def __getattr__(self, name):
        return lambda *arguments: []


def test_whatever_the_sound_server_s_library_raises_it_is_asked_anew(foreign, monkeypatch):
    server, events = Server(foreign), EventLog()
    monkeypatch.setattr(
        "streamsep.audio.devices.stream_watch.SoundServer", lambda client_name: server
    )
    with StreamWatch(events):
        wait_until(lambda: server.looked, "the next look")
    assert server.connected == 1
    assert texts(events)[0].startswith(ASKED_ANEW)


def test_the_loopback_comes_back_whatever_was_raised(foreign):
    events = EventLog()
    loopback = Loopback(sample_rate=RATE, channels=2, events=events)
    came_back = []

    def come_back():
        came_back.append(1)
        loopback._stop.set()

    loopback._server = Server(None)
    loopback._server.wait_for_change = raising(foreign)
    loopback._come_back = come_back
    loopback._follow()
    assert came_back == [1]
    assert texts(events)[0].startswith(ASKED_ANEW)


class BrokenDisplay:
    """Shows nothing, and fails at a moment of its own."""

    def __init__(self, error, when):
        self._error, self._when = error, when

    def _at(self, moment):
        if self._when == moment:
            raise self._error

    def __enter__(self):
        self._at("enter")

    def __exit__(self, *exception):
        self._at("exit")

    def update(self):
        self._at("update")

    def wait(self, running):
        self._at("wait")


@pytest.mark.parametrize("when", one_fast(["enter", "update", "wait", "exit"]))
def test_a_display_that_fails_ends_neither_music_nor_recording(
    song, identity_model, tmp_path, foreign, when
):
    if when == "exit":
        song_s = 0.5
        sf.write(song, music(song_s).T, RATE)
    config = LiveConfig(
        input=str(song), output="null", record=tmp_path / "take.wav", model=(identity_model,)
    )
    events = EventLog()
    with LivePlayer(config, events=events) as player:
        player.run(BrokenDisplay(foreign, when))
    assert sf.info(tmp_path / "take.wav").frames == sf.info(song).frames
    assert any(line.startswith("the display has failed (") for line in texts(events))


@pytest.mark.slow
def test_another_model_that_can_t_be_had_leaves_the_one_that_plays(song, identity_model, foreign):
    events = EventLog()
    config = LiveConfig(input=str(song), output="null", model=(identity_model,))
    with LivePlayer(config, events=events) as player:
        player.session.switch_model(raising(foreign))
        wait_until(lambda: not player.session.changing, "the end of the change")
        assert player.wait(30.0)
    assert any(line.startswith("the model stays: ") for line in texts(events))
