"""A stream that PortAudio doesn't let go of, as of a JACK server that has died."""

import threading
from types import SimpleNamespace

import pytest

from streamsep.audio.devices import reconnecting_stream
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream, StreamState
from streamsep.events import EventLog
from testing.servers import wait_until
from tests.unit.test_reconnecting_stream import Device, Stream


@pytest.fixture
def let_go():
    return threading.Event()


@pytest.fixture
def stream(let_go, monkeypatch):
    """A started stream, whose closing hangs."""

    class Hanging(Stream):
        def close(self):
            let_go.wait(30.0)
            super().close()

    monkeypatch.setattr(reconnecting_stream, "HANG_S", 0.05)
    sounddevice = SimpleNamespace(
        PortAudioError=OSError,
        _terminate=lambda: None,
        _initialize=lambda: None,
        _exit_handler=lambda: None,
    )
    device, opened = Device(), []

    def opening():
        opened.append(Hanging() if not opened else device.open())
        return opened[-1]

    stream = ReconnectingStream(sounddevice, opening, "output 'x'", EventLog())
    stream.start()
    yield stream
    let_go.set()
    stream.close()


def test_it_is_told_and_once_let_go_the_stream_comes_back(stream, let_go):
    stream.stream.active = False
    wait_until(lambda: len(stream.events.latest()) == 2, "both events")
    gone, hangs = (event.text for event in stream.events.latest())
    assert "is gone" in gone
    assert hangs.startswith("output 'x': PortAudio doesn't let go of it")
    assert stream.state is StreamState.GONE
    let_go.set()
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")


def test_who_ends_the_program_meanwhile_isn_t_kept(stream, let_go):
    stream.stream.active = False
    wait_until(lambda: stream.state is StreamState.GONE, "the loss")
    stream.close()  # would wait for as long as PortAudio does
    assert not let_go.is_set()
