"""The clock that stands in for a device's while that gives no time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from streamsep.audio.devices.reconnecting_stream import (
    PAUSE_S,
    STALL_S,
    WATCH_S,
    ReconnectingStream,
    StreamState,
)

# What was missed while everything stood still follows this much faster than it would have come,
# and no more than so much of it: recorders hold ten seconds.
HURRY, MOST_MISSED_S = 10, 5.0


def keep_time(
    stream: ReconnectingStream,
    tick: Callable[[float], None],
    period_s: float,
    stop: threading.Event,
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
    """
    asleep_s = _asleep_s()
    while not stop.wait(WATCH_S):
        if (slept := _asleep_s() - asleep_s) > STALL_S:
            asleep_s += slept
            stream.events.add("the machine slept: recordings leave it out", gap_s=slept)
        if (stopped_at := stream.stopped()) is not None:
            _fallback_clock(stream, tick, period_s, stop, stopped_at)


def _fallback_clock(
    stream: ReconnectingStream,
    tick: Callable[[float], None],
    period_s: float,
    stop: threading.Event,
    began: float,
) -> None:
    """Tick from when the device ``began`` to be missed until it keeps the time again."""
    since_s = stream.events.clock()
    left_out_s = max(time.monotonic() - began - MOST_MISSED_S, 0.0)
    left_out = f" (recordings leave out {left_out_s:.1f} s)" if left_out_s else ""
    done = began + left_out_s
    while not stop.is_set():
        behind = time.monotonic() - done
        if behind < period_s:
            stood_still = stream.state is StreamState.STALLED
            if stream.resume():
                if stood_still:  # of a loss and a return the stream tells itself
                    gap_s = time.monotonic() - began
                    stream.events.add(
                        f"{stream.name} stood still: silence{left_out}",
                        since_s=since_s,
                        gap_s=gap_s,
                    )
                return
            time.sleep(period_s - behind)
            continue
        tick(done if behind < PAUSE_S else -math.inf)
        done += period_s
        if behind > 2 * period_s:
            time.sleep(period_s / HURRY)


def _asleep_s() -> float:
    """Seconds for which the machine has been suspended since it started, where that is known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return 0.0
    return time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC)
