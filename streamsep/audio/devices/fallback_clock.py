"""The clock that stands in for a device's while that gives no time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from streamsep.audio.devices.lost_time import DeviceTime
from streamsep.audio.devices.reconnecting_stream import (
    PAUSE_S,
    STALL_S,
    WATCH_S,
    ReconnectingStream,
    StreamState,
)

# No more than so much is made up for at once: recorders hold ten seconds.
MOST_MISSED_S = 5.0
HURRY = 10  # how much faster blocks follow than they would have come, of which sound is wanted


def keep_time(
    stream: ReconnectingStream,
    tick: Callable[[float], None],
    period_s: float,
    stop: threading.Event,
    passed: DeviceTime,
) -> None:
    """Wait for ``stop``; while the stream is no clock, be one in its place.

    Parameters
    ----------
    stream
        Its callbacks must do nothing but `ReconnectingStream.heartbeat` while it is ``replaced``.
    tick
        Does what the stream's callback does for a block; see `RenderCallback` for its ``due``.
    period_s
        Length of a block.
    passed
        Says how far behind it is; what is ticked here is added to it.
    """
    asleep_s, looked = _asleep_s(), time.monotonic()
    while not stop.wait(WATCH_S):
        held, looked = time.monotonic() - looked > PAUSE_S, time.monotonic()
        if (slept := _asleep_s() - asleep_s) > STALL_S:
            asleep_s += slept
            stream.events.add("the machine slept: recordings leave it out", gap_s=slept)
        if held:
            continue  # all of us were stopped, and the device is about to call
        if (stopped_at := stream.stopped()) is not None:
            _fallback_clock(stream, tick, period_s, stop, passed, stopped_at)
            looked = time.monotonic()


def _fallback_clock(
    stream: ReconnectingStream,
    tick: Callable[[float], None],
    period_s: float,
    stop: threading.Event,
    passed: DeviceTime,
    began: float,
) -> None:
    """Tick from when the device ``began`` to be missed until it keeps the time again."""
    passed.begin(began)
    since_s, left_out_s = stream.events.clock(), 0.0
    while not stop.is_set():
        now = time.monotonic()
        behind = passed.behind(now)
        if (too_much := behind - MOST_MISSED_S) > 0.0:
            passed.passed(too_much)
            left_out_s, behind = left_out_s + too_much, MOST_MISSED_S
        if behind < period_s:
            stood_still = stream.state is StreamState.STALLED
            if stream.resume():
                if stood_still:
                    stream.losses.add(now - began, left_out_s, since_s)
                elif left_out_s:  # of the rest, a loss and a return, the stream tells itself
                    stream.losses.add(left_out_s, left_out_s, since_s)
                return
            time.sleep(period_s - behind)
            continue
        passed.passed(period_s)
        if behind > PAUSE_S:
            tick(-math.inf)
            continue
        tick(now - behind)
        if behind > 2 * period_s:
            time.sleep(period_s / HURRY)


def _asleep_s() -> float:
    """Seconds for which the machine has been suspended since it started, where that is known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return 0.0
    return time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC)
