"""A device's stream over its losses and standstills, and the clock that stands in for it."""

import math
import threading
import time
from types import SimpleNamespace

import pytest

from streamsep.audio.devices import fallback_clock, reconnecting_stream
from streamsep.audio.devices.fallback_clock import keep_time
from streamsep.audio.devices.lost_time import DeviceTime, LossLog
from streamsep.audio.devices.reconnecting_stream import (
    CHANGES,
    ReconnectingStream,
    StreamState,
)
from streamsep.errors import DeviceError
from streamsep.events import EventLog
from testing.servers import wait_until

PERIOD_S = 0.01


class Stream:
    """PortAudio's: calls nobody, and ends when it is told to."""

    closed = False

    def __init__(self):
        self.active = False

    def start(self):
        self.active = True

    def close(self):
        self.active, self.closed = False, True


class Device:
    """Opens streams while it is there."""

    def __init__(self):
        self.there, self.streams = True, []

    def open(self):
        if not self.there:
            raise DeviceError("no device", expected="one", remedy="wait")
        self.streams.append(Stream())
        return self.streams[-1]


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def stream(device, monkeypatch):
    """A started stream of the device, whose patience is a fraction of a second."""
    for name, value in {"STALL_S": 0.4, "PAUSE_S": 0.2, "TRUST_S": 0.1, "RETRY_S": 0.02}.items():
        monkeypatch.setattr(reconnecting_stream, name, value)
    monkeypatch.setattr(fallback_clock, "PAUSE_S", 0.2)
    monkeypatch.setattr(LossLog, "TELL_S", 0.4)
    sounddevice = SimpleNamespace(
        PortAudioError=OSError, _terminate=lambda: None, _initialize=lambda: None
    )
    stream = ReconnectingStream(sounddevice, device.open, "output 'x'", EventLog())
    stream.start()
    yield stream
    stream.close()


def beat(stream, seconds):
    """Have the device call for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stream.heartbeat()
        time.sleep(PERIOD_S)


class Clock:
    """``keep_time`` on a thread of its own; a context manager."""

    def __init__(self, stream):
        self.ticks, self._stop = [], threading.Event()
        self._thread = threading.Thread(
            target=keep_time,
            args=(stream, self.ticks.append, PERIOD_S, self._stop, DeviceTime(0.0)),
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("state", StreamState)
@pytest.mark.parametrize("wanted", StreamState)
def test_a_state_changes_only_to_those_that_it_leads_to(stream, state, wanted):
    stream.state = state
    leads_there = wanted in CHANGES[state]
    assert stream.change_to(wanted) == leads_there
    assert stream.state is (wanted if leads_there else state)


def test_a_stream_that_ends_is_opened_again_and_trusted_after_a_while(device, stream):
    device.there = False
    device.streams[0].active = False
    wait_until(lambda: stream.state is StreamState.GONE, "the loss")
    assert stream.replaced
    beat(stream, 0.1)  # a last call may be under way: it brings nothing back
    assert not stream.resume()
    device.there = True
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
    assert stream.stream is device.streams[1] is not device.streams[0]
    assert device.streams[0].closed
    stream.heartbeat()
    assert not stream.resume()
    beat(stream, 0.25)
    assert stream.resume()
    assert stream.state is StreamState.RUNNING
    assert [event.text for event in stream.events.latest()] == [
        "output 'x' is gone: silence until it is back",
        "output 'x' is back",
    ]
    assert 0.1 < stream.events.latest()[1].gap_s < 5


def test_a_loss_in_the_moment_of_trust_is_not_forgotten(stream):
    """The fallback clock has seen steady calls, and the stream ends before it hands over."""
    stream.change_to(StreamState.STALLED)
    beat(stream, 0.25)
    stream.change_to(StreamState.GONE)
    assert not stream.resume()
    assert stream.state is StreamState.GONE


def test_a_device_that_calls_needs_no_other_clock(stream):
    with Clock(stream) as clock:
        beat(stream, 0.8)
        assert not clock.ticks
        assert stream.state is StreamState.RUNNING


@pytest.mark.slow
def test_a_standstill_is_made_up_for_block_by_block(stream):
    beat(stream, 0.05)
    began = time.monotonic()
    with Clock(stream) as clock:
        wait_until(lambda: stream.state is StreamState.STALLED, "the standstill")
        time.sleep(0.3)
        beat(stream, 0.8)
        assert stream.state is StreamState.RUNNING
    away_s = time.monotonic() - began
    # From the last call on, as much as was missed; what was due long ago is silence.
    assert 0.7 < len(clock.ticks) * PERIOD_S < away_s
    assert clock.ticks[0] == -math.inf
    dues = [due for due in clock.ticks if math.isfinite(due)]
    assert dues == pytest.approx([dues[0] + PERIOD_S * n for n in range(len(dues))])
    wait_until(stream.events.latest, "the note")
    (event,) = stream.events.latest()
    assert event.text == "output 'x' stood still: silence"
    assert 0.7 < event.gap_s < away_s


def test_a_lost_device_is_no_standstill(device, stream):
    with Clock(stream) as clock:
        device.streams[0].active = False
        wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
        beat(stream, 0.8)
        assert stream.state is StreamState.RUNNING
    assert clock.ticks
    assert [event.text.split()[2:4] for event in stream.events.latest()] == [
        ["is", "gone:"],
        ["is", "back"],
    ]
