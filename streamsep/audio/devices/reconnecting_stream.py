"""A device's stream that is opened again when the device has gone and come back."""

from __future__ import annotations

import atexit
import math
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from streamsep.errors import DeviceError
from streamsep.events import EventLog

WATCH_S = 0.05
RETRY_S = 0.25
# An output that has just been opened may ask for a little and then for nothing for two seconds.
# One that is silent for longer stands still; one that calls again is trusted after a while.
STALL_S = 3.0
PAUSE_S, TRUST_S = 0.25, 0.3
HANG_S = 1.0  # how long PortAudio may take to close a stream
# What was missed while everything stood still follows this much faster than it would have come,
# and no more than so much of it: recorders hold ten seconds.
HURRY, MOST_MISSED_S = 10, 5.0

_OPENING = threading.Lock()
_STREAMS: weakref.WeakSet[Any] = weakref.WeakSet()


def note_stream(stream: Any) -> Any:
    """Remember a PortAudio stream: while any is open, PortAudio can't be started anew."""
    _STREAMS.add(stream)
    return stream


def _open_again(sounddevice: Any, opening: Callable[[], Any]) -> Any:
    """Open a stream; where that fails and no other is open, look for new devices first.

    PortAudio lists devices when it starts and never again.

    Raises
    ------
    DeviceError
        If it still can't be opened.
    """
    with _OPENING:
        try:
            return opening()
        except DeviceError:
            if any(not stream.closed for stream in _STREAMS):
                raise
            sounddevice._terminate()
            sounddevice._initialize()
            return opening()


class ReconnectingStream:
    """Keeps a stream open, on a thread of its own: whatever PortAudio does there hangs nobody.

    Parameters
    ----------
    sounddevice
        The module.
    opening
        Opens the stream; raises DeviceError while that can't be done.
    name
        For messages, e.g. ``input 'pulse'``.
    events
        Where a loss and a return are noted.
    returned
        Called before another stream starts in the place of one that was lost.

    Raises
    ------
    DeviceError
        If the stream can't be opened now.
    """

    def __init__(
        self,
        sounddevice: Any,
        opening: Callable[[], Any],
        name: str,
        events: EventLog,
        returned: Callable[[], None] = lambda: None,
    ) -> None:
        self._sd, self._opening, self.name, self.events = sounddevice, opening, name, events
        self._returned = returned
        self.stream: Any = opening()
        self.replaced = False  # whether something else keeps the time, see `keep_time`
        self.called = self._calls_since = time.monotonic()
        self.stalled_since: float | None = None  # if it stood still, also where it goes on already
        self.back_since = -math.inf  # when another stream took the place of a lost one
        self._there = True
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="streamsep-device", daemon=True)

    def start(self) -> None:
        """Start the stream, and keep it."""
        self.called = time.monotonic()
        self.stream.start()
        self._thread.start()

    def heartbeat(self) -> None:
        """Note that the device has called; audio thread only."""
        now = time.monotonic()
        if now - self.called > PAUSE_S:
            self._calls_since = now
        if now - self.called > STALL_S:
            self.stalled_since = self.called
        self.called = now

    @property
    def steady(self) -> bool:
        """Whether it has been calling for a while without a pause."""
        now = time.monotonic()
        trusted = now - self._calls_since > TRUST_S
        return self._there and trusted and now - self.called < PAUSE_S

    @property
    def flowing(self) -> bool:
        """Whether the device is there and calls, and has done so all the time."""
        called = time.monotonic() - self.called < STALL_S
        return self._there and called and self.stalled_since is None

    def close(self) -> None:
        """Close the stream; where PortAudio hangs, leave it to its fate."""
        self._closing.set()
        if self._thread.ident is None:
            self._thread = threading.Thread(target=self._shut, daemon=True)
            self._thread.start()
        self._thread.join(HANG_S)
        if self._thread.is_alive():
            atexit.unregister(self._sd._exit_handler)  # it would hang too

    def _keep(self) -> None:
        while not self._closing.wait(WATCH_S):
            if self.stream.active:
                continue
            self._there, lost_at, since_s = False, self.called, self.events.clock()
            self.events.add(f"{self.name} is gone: silence until it is back")
            self._shut()
            self._wait_for_return(lost_at, since_s)
        self._shut()

    def _wait_for_return(self, lost_at: float, since_s: float) -> None:
        while not self._closing.wait(RETRY_S):
            with suppress(DeviceError, self._sd.PortAudioError):
                self.stream = _open_again(self._sd, self._opening)
                self._returned()
                self.back_since = self.called = self._calls_since = time.monotonic()
                self.stream.start()
                self._there = True
                gap_s = self.back_since - lost_at
                self.events.add(f"{self.name} is back", since_s=since_s, gap_s=gap_s)
                return

    def _shut(self) -> None:
        with suppress(self._sd.PortAudioError):  # gone with its device
            self.stream.close()


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
        if not stream.flowing:
            _fallback_clock(stream, tick, period_s, stop)


def _fallback_clock(
    stream: ReconnectingStream,
    tick: Callable[[float], None],
    period_s: float,
    stop: threading.Event,
) -> None:
    stream.replaced, since_s = True, stream.events.clock()
    began = stream.called if stream.stalled_since is None else stream.stalled_since
    done = began + max(time.monotonic() - began - MOST_MISSED_S, 0.0)
    while not stop.is_set():
        behind = time.monotonic() - done
        if behind < period_s:
            if stream.steady:
                break
            time.sleep(period_s - behind)
            continue
        tick(done if behind < PAUSE_S else -math.inf)
        done += period_s
        if behind > 2 * period_s:
            time.sleep(period_s / HURRY)
    stream.replaced, stream.stalled_since = False, None
    if stream.back_since < began and not stop.is_set():
        gap_s = time.monotonic() - began
        stream.events.add(f"{stream.name} stood still: silence", since_s=since_s, gap_s=gap_s)


def _asleep_s() -> float:
    """Seconds for which the machine has been suspended since it started, where that is known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return 0.0
    return time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC)
