"""A device as the clock of a run: what it lost is made up for, in its place."""

import math
import re
import threading
import time

import pytest

from streamsep.audio.devices import device_clock, fallback_clock
from streamsep.audio.devices.device_clock import DeviceClock
from streamsep.audio.devices.lost_time import DeviceTime
from streamsep.audio.devices.reconnecting_stream import StreamState
from testing.servers import wait_until
from tests.unit.test_reconnecting_stream import PERIOD_S, device, stream  # noqa: F401


@pytest.fixture
def clock(stream, monkeypatch):  # noqa: F811
    """Of a stream without a buffer, that settles at once."""
    for name, value in {"SETTLE_S": 0.0, "WINDOW_S": 0.05, "SURE_S": 0.02}.items():
        monkeypatch.setattr(DeviceTime, name, value)
    clock = DeviceClock(stream, PERIOD_S, 0.0)
    clock.ticks = []
    clock.tick = clock.ticks.append
    return clock


def call(clock, seconds):
    """Have the device call for a while; return for how many calls no sound was wanted."""
    end, silent = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        silent += not clock.call(PERIOD_S)
        time.sleep(PERIOD_S)
    return silent


def test_a_pause_that_is_over_is_made_up_for_at_once_as_silence(stream, clock):  # noqa: F811
    call(clock, 0.3)
    missed = len(clock.ticks)  # of a busy machine
    before = time.monotonic()
    time.sleep(1.5)
    silent = call(clock, 0.1)
    paused_s = time.monotonic() - before
    ticked_s = (len(clock.ticks) - missed) * PERIOD_S
    # All that was lost, and what no sound was wanted for meanwhile.
    assert ticked_s == pytest.approx(paused_s, abs=0.3)
    assert set(clock.ticks) == {-math.inf}
    assert silent >= 1
    assert stream.state is StreamState.RUNNING
    wait_until(stream.events.latest, "the note")
    event = stream.events.latest()[-1]
    assert event.text == "output 'x' stood still: silence"
    assert event.gap_s == pytest.approx(1.5, abs=0.3)


def test_of_a_long_pause_recordings_leave_out_what_is_beyond_and_it_is_said(
    stream,  # noqa: F811
    clock,
    monkeypatch,
):
    monkeypatch.setattr(device_clock, "MOST_MISSED_S", 0.5)
    call(clock, 0.3)
    missed = len(clock.ticks)
    time.sleep(1.5)
    call(clock, 0.1)
    wait_until(stream.events.latest, "the note")
    event = stream.events.latest()[-1]
    left_out_s = float(re.search(r"recordings leave out (\d+\.\d) s", event.text)[1])
    assert left_out_s == pytest.approx(event.gap_s - 0.5, abs=0.06)
    assert (len(clock.ticks) - missed) * PERIOD_S == pytest.approx(0.5, abs=0.3)


def test_what_is_made_up_for_never_keeps_a_call_longer_than_it_may(stream, clock):  # noqa: F811
    """The device would lose time again."""
    clock.tick = lambda due: (clock.ticks.append(due), time.sleep(PERIOD_S / 4))
    call(clock, 0.3)
    time.sleep(1.0)
    missed = len(clock.ticks)
    assert not clock.call(PERIOD_S)
    assert 1 <= len(clock.ticks) - missed <= 3
    while not clock.call(PERIOD_S):
        assert len(clock.ticks) - missed < 400  # each call owes a block more
    assert len(clock.ticks) - missed > 50


def test_what_recordings_leave_out_while_a_device_is_gone_is_said_too(
    stream,  # noqa: F811
    device,  # noqa: F811
    clock,
    monkeypatch,
):
    monkeypatch.setattr(fallback_clock, "MOST_MISSED_S", 0.5)
    call(clock, 0.3)
    device.there = False
    device.streams[0].active = False
    wait_until(lambda: stream.state is StreamState.GONE, "the loss")
    time.sleep(1.0)  # nobody ticks: all of us are stopped
    stop = threading.Event()
    keeping = threading.Thread(target=clock.run, args=(stop,))
    keeping.start()
    device.there = True
    wait_until(lambda: stream.state is StreamState.RETURNED, "the return")
    while stream.replaced:
        call(clock, 0.05)
    stop.set()
    keeping.join()
    wait_until(lambda: len(stream.events.latest()) == 3, "the note")
    assert "recordings leave out" in stream.events.latest()[-1].text
