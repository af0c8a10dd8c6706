"""A stream that is there and calls no more, and one that doesn't start."""

import gc
import subprocess
import sys
import textwrap
import time
import weakref
from types import SimpleNamespace

import pytest

from streamsep.audio.devices import reconnecting_stream
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream, StreamState, note_stream
from streamsep.events import EventLog
from testing.servers import wait_until
from tests.unit.test_reconnecting_stream import Device, Stream, beat

SOUNDDEVICE = SimpleNamespace(
    PortAudioError=OSError, _terminate=lambda: None, _initialize=lambda: None
)


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def opened(device, monkeypatch):
    """Open a stream with a patience of a fraction of a second."""
    for name, value in {"DEAD_S": 0.4, "RETRY_S": 0.02}.items():
        monkeypatch.setattr(reconnecting_stream, name, value)
    streams = []

    def opened(opening=device.open):
        streams.append(ReconnectingStream(SOUNDDEVICE, opening, "microphone 'x'", EventLog()))
        streams[-1].start()
        return streams[-1]

    yield opened
    for stream in streams:
        stream.close()


def test_one_that_calls_no_more_is_opened_anew(device, opened):
    stream = opened()
    beat(stream, 0.6)
    assert len(device.streams) == 1
    wait_until(lambda: len(device.streams) == 2, "another stream")
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
    assert device.streams[0].closed
    assert [event.text for event in stream.events.latest()] == [
        "microphone 'x' is gone: silence until it is back",
        "microphone 'x' is back",
    ]
    beat(stream, 0.6)
    assert len(device.streams) == 2


@pytest.mark.slow
def test_where_that_is_of_no_use_the_next_time_is_later(device, opened):
    began = time.monotonic()
    opened()
    wait_until(lambda: len(device.streams) == 4, "three more")
    assert time.monotonic() - began > 0.4 + 0.8 + 1.6


def test_one_that_can_t_be_asked_any_more_is_opened_anew(device, opened):
    """Else the thread that keeps it would have ended, and nobody looked for it."""

    class Broken(Stream):
        broken = False

        @property
        def active(self):
            if self.broken:
                raise OSError("bad stream pointer")
            return True

        @active.setter
        def active(self, value):
            pass

    first = Broken()
    stream = opened(lambda: device.open() if first.broken else first)
    first.broken = True
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
    assert stream.stream is device.streams[0]


def test_one_that_doesn_t_start_is_closed_before_another_is_opened(device, opened):
    """PortAudio may have started it all the same, only later than it waits for."""
    late = Stream()

    def timed_out():
        raise OSError("timed out")

    late.start = timed_out
    opened_so_far = []

    def opening():
        opened_so_far.append(late if len(opened_so_far) == 1 else device.open())
        return opened_so_far[-1]

    stream = opened(opening)
    device.streams[0].active = False
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
    assert late.closed
    assert stream.stream is device.streams[1]


def test_an_open_stream_is_kept_though_nobody_else_knows_it():
    """PortAudio's threads call into it until it is closed."""
    stream = Stream()
    known = weakref.ref(note_stream(stream))
    del stream
    gc.collect()
    assert known() is not None
    known().closed = True
    note_stream(SimpleNamespace(closed=True))
    gc.collect()
    assert known() is None


@pytest.mark.parametrize("code", [0, 6])
def test_a_process_whose_streams_hang_ends_without_being_taken_down(code):
    """With the code that it would have had, and with all that was printed."""
    script = f"""
        import atexit, sys, threading
        import streamsep.cli
        from streamsep.audio.devices import reconnecting_stream

        def run():
            print("printed")
            hanging = threading.Thread(target=threading.Event().wait, daemon=True)
            hanging.start()
            reconnecting_stream._HANGING.append(hanging)
            if {code}:
                sys.exit({code})

        atexit.register(print, "taken down")
        streamsep.cli._run = run
        streamsep.cli.main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "printed\n", "")
