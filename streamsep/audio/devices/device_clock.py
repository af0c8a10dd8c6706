"""A device as the clock of a run, whose time stays true whatever the device loses."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from streamsep.audio.devices.fallback_clock import MOST_MISSED_S, keep_time
from streamsep.audio.devices.lost_time import DeviceTime
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream


class DeviceClock:
    """Has a block done for each that a device calls for, and for each that it lost.

    What was lost is made up for as silence, at once and in its place: sound that was due then would
    be late, and so would all that follows.

    Parameters
    ----------
    stream
        Of the device.
    period_s
        Length of a block.
    buffered_s
        See `DeviceTime`.

    Attributes
    ----------
    tick
        Does what the device's call does for a block; see `RenderCallback` for its ``due``. Set
        before the stream starts.
    """

    SHARE = 0.5  # of the time between two calls, that may be spent on what was lost

    def __init__(self, stream: ReconnectingStream, period_s: float, buffered_s: float) -> None:
        self._stream, self._period_s = stream, period_s
        self._time = DeviceTime(buffered_s)
        self._owed_s = 0.0
        self.tick: Callable[[float], None] = lambda due: None

    def call(self, length_s: float) -> bool:
        """Note a call for a block of this length; say whether sound is wanted. Audio thread only.

        It isn't while something else keeps the time, or there is some to be made up for.
        """
        self._stream.heartbeat()
        if self._stream.replaced:
            return False
        now = time.monotonic()
        if lost_s := self._time.called(length_s, now):
            left_out_s = max(lost_s - MOST_MISSED_S, 0.0)
            self._stream.losses.add(lost_s, left_out_s)
            self._owed_s += lost_s - left_out_s
        if self._owed_s < self._period_s:
            return True
        self._owed_s += length_s  # no sound for this block either
        until = now + self.SHARE * length_s
        while self._owed_s >= self._period_s:
            self._owed_s -= self._period_s
            self.tick(-math.inf)
            if time.monotonic() > until:
                break
        return False

    def run(self, stop: threading.Event) -> None:
        """Wait for ``stop``; while the device gives no time, have something else keep it."""
        keep_time(self._stream, self.tick, self._period_s, stop, self._time)
