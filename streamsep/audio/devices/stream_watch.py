"""What the sound server does with our own streams: moved, muted, or made to hear themselves."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress

from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.sound_server import (
    OWN_TOKEN,
    SINK_TOKEN,
    ServerCapture,
    ServerGoneError,
    ServerSink,
    ServerSource,
    ServerStream,
    SoundServer,
)
from streamsep.errors import DeviceError, first_line
from streamsep.events import EventLog

LISTEN_S = 0.2
# Of what comes of a change PipeWire doesn't always tell, such as where a stream goes that has lost
# its source: so often, and so long after the last one, it is looked for.
OFTEN_S, LOOKED_FOR_S = 0.05, 1.0
RECONNECT_S = 0.5
# What a server has buffered of another source still comes after a move; and a new stream's volume
# may be anything at first.
BUFFERED_S, SETTLED_S = 0.5, 1.0
HANG_S = 1.0  # how long a server may take to answer at the end
LOW_VOLUME = 0.5  # less is worth a line at the start: servers remember it, people don't
# Devices of PortAudio that lead to the sound server.
THROUGH_THE_SERVER = ("pulse", "default", "pipewire")


class StreamWatch:
    """Watches our streams in the sound server, from ``with`` to its end.

    When a microphone is pulled out, servers move who listens to it to another source, and that may
    be the monitor of what we play on: the room would howl. So whoever hears us is silent until it
    hears something else; it is moved back to its source when that returns. Where no server is,
    there is nothing to watch.

    Parameters
    ----------
    events
        Where it is noted what the server does.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._server: SoundServer | None = None
        self._silent: frozenset[str] = frozenset()
        self._heard_us: dict[str, float] = {}  # when each role did last
        self._first_seen: dict[str, float] = {}
        self._look_again = self._look_often = 0.0
        self._wished: dict[str, str] = {}  # the source of each role at first
        self._numbers: dict[str, int] = {}  # of it in the server, when it was used last
        self._places: dict[str, str] = {}  # where each role is
        self._levels: dict[str, tuple[bool, float]] = {}
        self._muted: dict[str, tuple[str, bool]] = {}  # by role: its device, and whether it is
        self._moved: set[str] = set()  # roles that the server moved, for want of their source
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="streamsep-stream-watch", daemon=True
        )

    def __enter__(self) -> StreamWatch:
        if sys.platform == "linux":
            with suppress(DeviceError):
                self._server = SoundServer("streamsep watch")
                self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(HANG_S)
        if self._server is not None and not self._thread.is_alive():
            self._server.close()

    def hears_us(self, role: str) -> bool:
        """Say whether ``input`` or ``microphone`` hears what we play; any thread may ask."""
        return role in self._silent

    def _run(self) -> None:
        assert self._server is not None
        watching = False
        while not self._stop.is_set():
            try:
                if not watching:
                    self._server.watch()
                    watching = True
                    self._look(self._server)
                often = time.monotonic() < self._look_often
                changed = self._server.wait_for_change(OFTEN_S if often else LISTEN_S)
                if changed:
                    self._look_often = time.monotonic() + LOOKED_FOR_S
                if changed or often or time.monotonic() < self._look_again:
                    self._look(self._server)
            except Exception as error:  # of the library too; mostly, the server has gone
                if not isinstance(error, ServerGoneError):
                    self._events.add(f"the sound server is asked anew ({first_line(error)})")
                watching = False
                while not self._stop.wait(RECONNECT_S):
                    with suppress(Exception):  # it is tried again
                        self._server.connect()
                        break

    def _look(self, server: SoundServer) -> None:
        listed = server.sinks()
        sinks = {sink.index: sink.name for sink in listed}
        ours = [stream for stream in server.streams() if stream.token == OWN_TOKEN]
        # What comes to a sink that captures players is silence already.
        capturing = {sink.index for sink in listed if SINK_TOKEN in sink.properties}
        played_on = {
            sinks[stream.sink]
            for stream in ours
            if stream.sink in sinks and stream.sink not in capturing
        }
        sources = {source.index: source for source in server.sources()}
        numbers = {source.name: source.index for source in sources.values()}
        captures = [capture for capture in server.captures() if capture.token == OWN_TOKEN]
        hearing = {
            capture.role: sources[capture.source]
            for capture in captures
            if capture.source in sources
        }
        silent = {role for role, source in hearing.items() if source.hears & played_on}
        now = time.monotonic()
        self._heard_us |= dict.fromkeys(silent, now)
        lately = {role for role, at in self._heard_us.items() if now - at < BUFFERED_S}
        # Wherever it goes next, it may hear us before that is told.
        lost = {c.role for c in captures if c.source not in sources and c.role in self._wished}
        # First of all: each block counts.
        self._silent = frozenset(silent | lately | lost)
        if lately:
            self._look_again = now + BUFFERED_S + 2 * LISTEN_S
        for capture in captures:
            source = sources.get(capture.source)
            if source is not None:
                self._tell_source(capture.role, source, played_on, numbers)
                self._tell_mute(capture.role, source)
                self._bring_back(server, capture, source, sources, played_on)
            self._tell_level(capture.role, capture.muted, capture.volume)
        by_index = {sink.index: sink for sink in listed}
        for stream in ours:
            if stream.sink in by_index:
                sink = by_index[stream.sink]
                self._tell_place("output", f"plays on '{sink.name}' now ({sink.form})")
                self._tell_mute("output", sink)
                self._take_back(server, stream, sink, listed)
            self._tell_level("output", stream.muted, stream.volume)

    def _take_back(
        self, server: SoundServer, stream: ServerStream, sink: ServerSink, sinks: list[ServerSink]
    ) -> None:
        """Move our output back to the sink that it lost, once that is there again."""
        if SINK_TOKEN in sink.properties:
            return  # whoever made that keeps our output away from it
        name = self._wished.setdefault("output", sink.name)
        wished = next((each for each in sinks if each.name == name), None)
        self._note_place("output", sink.index, None if wished is None else wished.index)
        if wished is not None and "output" in self._moved:
            server.move(stream, wished)

    def _note_place(self, role: str, index: int, wished: int | None) -> None:
        """Note where a role is, and where what it wished for is, by their numbers.

        If that has gone, or is another one of its name by now, the server has moved the role;
        else the user did.
        """
        if index == wished:
            self._moved.discard(role)
            self._numbers[role] = index
        elif wished != self._numbers.get(role):
            self._moved.add(role)

    def _tell_source(
        self, role: str, source: ServerSource, played_on: set[str], numbers: dict[str, int]
    ) -> None:
        wished = self._wished.setdefault(role, source.name)
        self._note_place(role, source.index, numbers.get(wished))
        if heard := source.hears & played_on:
            self._tell_place(
                role,
                f"would hear '{', '.join(sorted(heard))}', which is played on: silence until it "
                "has another source",
                first=True,
            )
        else:
            self._tell_place(role, f"listens to '{source.name}' now ({source.form})")

    def _bring_back(
        self,
        server: SoundServer,
        capture: ServerCapture,
        source: ServerSource,
        sources: dict[int, ServerSource],
        played_on: set[str],
    ) -> None:
        """Move who lost its source back to it; who hears us, else to the default microphone."""
        role = capture.role
        by_name = {each.name: each for each in sources.values()}
        wished = by_name.get(self._wished[role])
        if wished is not None and wished.hears & played_on:
            wished = None
        if role in self._moved and wished is not None and wished is not source:
            server.move_capture(capture, wished)
        elif source.hears & played_on:
            other = wished or by_name.get(server.default_source())
            if other is not None and other is not source and (other is wished or not other.hears):
                server.move_capture(capture, other)

    def _tell_place(self, role: str, text: str, *, first: bool = False) -> None:
        """Note where a stream is now; where it is at first was said when it was opened."""
        before = self._places.get(role)
        self._places[role] = text
        if text != before and (first or before is not None):
            self._events.add(f"{role}: it {text}")

    def _tell_level(self, role: str, muted: bool, volume: float) -> None:
        now = time.monotonic()
        if now - self._first_seen.setdefault(role, now) < SETTLED_S:
            self._look_again = now + SETTLED_S + 2 * LISTEN_S
            return
        before = self._levels.get(role)
        self._levels[role] = (muted, volume)
        if (muted, volume) == before or (before is None and not muted and volume > LOW_VOLUME):
            return
        state = "muted" if muted else f"at {100 * volume:.0f} %"
        self._events.add(f"{role}: our stream is {state} in the sound server now")

    def _tell_mute(self, role: str, device: ServerSink | ServerSource) -> None:
        """Note that what we play on or listen to is muted, as by a key; not how loud it is."""
        before, now = self._muted.get(role), (device.name, device.muted)
        self._muted[role] = now
        if device.muted and now != before:
            self._events.add(f"{role}: '{device.name}' is muted in the sound server now")
        elif before == (device.name, True) and not device.muted:
            self._events.add(f"{role}: '{device.name}' isn't muted any more")


def refuse_hearing_ourselves(
    listeners: dict[str, DeviceInfo], output: DeviceInfo, *, settings: dict[str, str]
) -> None:
    """Refuse an input or microphone that is the monitor of what is played on.

    Parameters
    ----------
    listeners
        Devices by role.
    output
        What is played on.
    settings
        The setting of each role.

    Raises
    ------
    DeviceError
        Before a sound; where there is no server, nothing is refused.
    """
    try:
        server = SoundServer("streamsep")
    except DeviceError:
        return
    try:
        sink = _target(output, "sink", server)
        for role, device in listeners.items():
            name = _target(device, "source", server)
            for source in server.sources():
                if sink and source.name == name and sink in source.hears:
                    how = "the monitor of" if source.monitor_of == sink else "which hears"
                    raise DeviceError(
                        f"{role} '{device.name}' would hear what is played: its source is "
                        f"'{name}', {how} the output '{sink}'",
                        expected="a source of its own, such as a microphone",
                        remedy="connect one, choose it with 'pactl set-default-source', or play "
                        "on another output",
                        settings=(settings[role],) if role in settings else (),
                    )
    except ServerGoneError:
        return  # whoever opens the device finds that out too, and says it
    finally:
        server.close()


def server_target(device: DeviceInfo, kind: str) -> str | None:
    """Return the sink or source that a device means now; None where it isn't the server's."""
    try:
        server = SoundServer("streamsep")
    except DeviceError:
        return None
    try:
        return _target(device, kind, server)
    except ServerGoneError:
        return None
    finally:
        server.close()


def _target(device: DeviceInfo, kind: str, server: SoundServer) -> str | None:
    if device.name not in THROUGH_THE_SERVER:
        return None
    wanted = device.target or os.environ.get(f"PULSE_{kind.upper()}", "")
    if wanted == "@DEFAULT_MONITOR@":
        sink = server.default_sink()
        return next((s.name for s in server.sources() if s.monitor_of == sink), None)
    if not wanted or wanted.startswith("@"):
        return server.default_sink() if kind == "sink" else server.default_source()
    if wanted.isdigit():
        numbered = server.sinks() if kind == "sink" else server.sources()
        return next((each.name for each in numbered if each.index == int(wanted)), None)
    return wanted
