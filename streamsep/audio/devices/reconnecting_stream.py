"""A device's stream that is opened again when the device has gone and come back."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from streamsep.audio.devices.jack_client import JackError, without_jack
from streamsep.audio.devices.lost_time import LossLog
from streamsep.errors import DeviceError, first_line
from streamsep.events import EventLog

WATCH_S = 0.05
RETRY_S = 0.25
# An output that has just been opened may ask for a little and then for nothing for two seconds.
# One that is silent for longer stands still; one that calls again is trusted after a while.
STALL_S = 3.0
PAUSE_S, TRUST_S = 0.25, 0.3
# One that doesn't call for so long, of a server that answers or not, is opened anew; if that was
# of no use, after twice as long the next time.
DEAD_S = 5.0
HANG_S = 1.0  # how long PortAudio may take to close a stream

_OPENING = threading.Lock()
# Kept until they are closed: PortAudio's thread may call into one that nobody else knows any more.
_STREAMS: list[Any] = []
_HANGING: list[threading.Thread] = []


def note_stream(stream: Any) -> Any:
    """Remember a PortAudio stream: while any is open, PortAudio can't be started anew."""
    _STREAMS[:] = [*(each for each in _STREAMS if not each.closed), stream]
    return stream


def hangs() -> bool:
    """Say whether PortAudio still hasn't let go of a stream that was closed.

    Its threads call into the interpreter, and crash if that ends before them.
    """
    return any(thread.is_alive() for thread in _HANGING)


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
        except JackError:
            raise
        except DeviceError:
            if any(not stream.closed for stream in _STREAMS):
                raise
            sounddevice._terminate()
            with without_jack():
                sounddevice._initialize()
            return opening()


class StreamState(Enum):
    """What a stream is to those who wait for its calls."""

    RUNNING = auto()  # keeps the time
    STALLED = auto()  # stands still, or did and isn't trusted yet
    GONE = auto()  # has ended with its device, which is looked for
    RETURNED = auto()  # another one in its place, not trusted yet


# A stream may end at any time; only one that has ended comes back, and only one that another
# clock has stood in for has to be trusted again.
CHANGES = {
    StreamState.RUNNING: {StreamState.STALLED, StreamState.GONE},
    StreamState.STALLED: {StreamState.RUNNING, StreamState.GONE},
    StreamState.GONE: {StreamState.RETURNED},
    StreamState.RETURNED: {StreamState.RUNNING, StreamState.GONE},
}


class Heartbeat:
    """When a device has called; it is beaten on the audio thread and looked at by others.

    Attributes
    ----------
    last
        The latest call, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from now: another stream is about to call."""
        self.last = self._calls_since = time.monotonic()

    def beat(self) -> None:
        """Note a call; audio thread only."""
        now = time.monotonic()
        if now - self.last > PAUSE_S:
            self._calls_since = now
        self.last = now

    @property
    def steady(self) -> bool:
        """Whether it has been calling for a while without a pause."""
        now = time.monotonic()
        return now - self._calls_since > TRUST_S and now - self.last < PAUSE_S

    @property
    def stopped_at(self) -> float | None:
        """The last call before the standstill that there is; None without one."""
        return self.last if time.monotonic() - self.last >= STALL_S else None


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

    Attributes
    ----------
    stream
        The present one, of PortAudio.
    behind
        The sound server's sink or source behind the device, where it is known.
    losses, silences
        Tell, on the stream's thread, of what is added to them: time that it didn't keep, and sound
        that it hadn't got.
    state
        Set by `change_to` alone, on the thread that keeps the stream and, where there is one, on
        that of a fallback clock. The audio thread only reads it.

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
        self.behind: str | None = None
        self.losses = LossLog(f"{name} stood still", events)
        self.silences = LossLog(f"{name} gave nothing", events)
        self.state, self._changing = StreamState.RUNNING, threading.Lock()
        self._heartbeat = Heartbeat()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="streamsep-device", daemon=True)

    @property
    def in_use(self) -> str:
        """The device with all that a user may have to know of it."""
        rate, channels = int(self.stream.samplerate), self.stream.channels
        behind = f" ({self.behind})" if self.behind else ""
        plural = "" if channels == 1 else "s"
        return f"{self.name}{behind}, {rate} Hz, {channels} channel{plural}"

    def start(self) -> None:
        """Start the stream, and keep it."""
        self._heartbeat.restart()
        self.stream.start()
        self._thread.start()

    def change_to(self, state: StreamState) -> bool:
        """Change the state, and say whether the present one leads there; else it stays."""
        with self._changing:
            leads_there = state in CHANGES[self.state]
            if leads_there:
                self.state = state
        return leads_there

    def heartbeat(self) -> None:
        """Note that the device has called; audio thread only."""
        self._heartbeat.beat()

    @property
    def replaced(self) -> bool:
        """Whether something else keeps the time, or should: see `keep_time`."""
        return self.state is not StreamState.RUNNING

    @property
    def gone(self) -> bool:
        """Whether its device is looked for."""
        return self.state is StreamState.GONE

    def stopped(self) -> float | None:
        """Return when the device called last, if it doesn't keep the time any more."""
        stopped_at = self._heartbeat.stopped_at
        if stopped_at is not None:
            self.change_to(StreamState.STALLED)  # unless it has ended
        if not self.replaced:
            return None
        return self._heartbeat.last if stopped_at is None else stopped_at

    def resume(self) -> bool:
        """Let the device keep the time again, if it has been calling for a while; say whether."""
        return self._heartbeat.steady and self.change_to(StreamState.RUNNING)

    def close(self) -> None:
        """Close the stream; where PortAudio hangs, leave it to its fate."""
        self._closing.set()
        if self._thread.ident is None:
            self._thread = threading.Thread(target=self._shut, daemon=True)
            self._thread.start()
        self._thread.join(HANG_S)
        if self._thread.is_alive():
            _HANGING.append(self._thread)
            atexit.unregister(self._sd._exit_handler)  # it would hang too
        self.losses.end()
        self.silences.end()

    def _keep(self) -> None:
        patience_s, silent_s, heard = DEAD_S, 0.0, self._heartbeat.last
        while not self._closing.wait(WATCH_S):
            self.losses.tell()
            self.silences.tell()
            # Counted by our own looks: while all of us are stopped nobody can call.
            called, heard = self._heartbeat.last != heard, self._heartbeat.last
            silent_s = 0.0 if called else silent_s + WATCH_S
            patience_s = DEAD_S if called else patience_s
            if self._active() and silent_s < patience_s:
                continue
            if silent_s >= patience_s:
                patience_s, silent_s = 2 * patience_s, 0.0
            self.change_to(StreamState.GONE)
            lost_at, since_s = self._heartbeat.last, self.events.clock()
            self.events.add(f"{self.name} is gone: silence until it is back")
            tell = threading.Timer(HANG_S, self._tell_of_hanging)
            tell.start()
            self._shut()
            tell.cancel()
            self._wait_for_return(lost_at, since_s)
            heard = self._heartbeat.last
        self._shut()

    def _active(self) -> bool:
        with suppress(self._sd.PortAudioError):
            return bool(self.stream.active)
        return False  # whatever has become of it, it's no stream any more

    def _wait_for_return(self, lost_at: float, since_s: float) -> None:
        told = False
        while not self._closing.wait(RETRY_S):
            try:
                self.stream = _open_again(self._sd, self._opening)
                self._returned()
                self._heartbeat.restart()
                back_at = self._heartbeat.last
                self.stream.start()
                self.change_to(StreamState.RETURNED)
                self.events.add(f"{self.name} is back", since_s=since_s, gap_s=back_at - lost_at)
                return
            except (DeviceError, self._sd.PortAudioError):
                self._shut()  # not back yet; one that didn't start in time may call all the same
            except Exception as error:  # of a library: tried again, and told once
                self._shut()
                if not told:
                    self.events.add(f"{self.name} can't be opened again ({first_line(error)})")
                told = True

    def _tell_of_hanging(self) -> None:
        if not self._closing.is_set():
            self.events.add(
                f"{self.name}: PortAudio doesn't let go of it, as where a sound server hangs; "
                "it is looked for again once it does"
            )

    def _shut(self) -> None:
        with suppress(self._sd.PortAudioError):  # gone with its device
            if not self.stream.closed:
                self.stream.close()
