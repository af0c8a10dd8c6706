"""The sink "streamsep" in every player's list of outputs, and the players moved there.

All that a crash leaves behind lies with the sound server: the sink carries a mark that says whose
it is and where the moved streams came from. It is alive as long as the server has a client of the
mark's name: no process number can be mistaken, and it holds across containers and hosts too.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

from streamsep.audio.devices.device_list import (
    DEFAULT_NAMES,
    INSTALL_PLUG_IN,
    PLUG_IN,
    DeviceInfo,
    find_device,
    unset_first,
)
from streamsep.audio.devices.sound_server import (
    OWN_TOKEN,
    SINK_TOKEN,
    ServerGoneError,
    ServerSink,
    ServerStream,
    SoundServer,
)
from streamsep.errors import DeviceError, first_line
from streamsep.events import EventLog

NAME = "streamsep"
TOKEN = SINK_TOKEN
PID, HOME, MOVED = (f"streamsep.{key}" for key in ("pid", "home", "moved"))
LISTEN_S = 0.2
RECONNECT_S = 0.1
THROUGH_THE_SERVER = {*DEFAULT_NAMES["output"], PLUG_IN, "pipewire"}


@dataclass(slots=True)
class Origins:
    """Where the streams on our sink came from, by names of sinks."""

    home: str  # of those that nobody knows better about
    streams: dict[int, str] = field(default_factory=dict)

    @classmethod
    def marked_on(cls, sink: ServerSink) -> Origins:
        """Read what `mark` wrote."""
        moved = parse_qsl(sink.properties.get(MOVED, ""))
        streams = {int(index): name for index, name in moved}
        return cls(sink.properties.get(HOME, ""), streams)

    def mark(self) -> dict[str, str]:
        """Return properties of a sink that tell the same."""
        return {HOME: self.home, MOVED: urlencode({str(k): v for k, v in self.streams.items()})}


def is_ours(sink: ServerSink) -> bool:
    """Say whether any streamsep made this sink."""
    return TOKEN in sink.properties


def leftovers(server: SoundServer) -> list[ServerSink]:
    """Return the sinks of streamseps that are no more.

    Raises
    ------
    ServerGoneError
        If the server goes away meanwhile.
    """
    marked = [sink for sink in server.sinks() if is_ours(sink)]
    alive = " ".join(server.client_names()) if marked else ""
    return [sink for sink in marked if sink.properties[TOKEN] not in alive]


def leftover_names() -> list[str]:
    """Return the outputs that killed streamseps have left.

    Raises
    ------
    DeviceError
        If there is no sound server.
    """
    server = SoundServer(NAME)
    try:
        return [sink.name for sink in leftovers(server)]
    except ServerGoneError:
        return []
    finally:
        server.close()


def check_loopback() -> None:
    """Find out whether a loopback can be had, without making one.

    Raises
    ------
    DeviceError
        If there is no sound server, or PortAudio doesn't reach it.
    """
    SoundServer(NAME).close()
    for kind in ("input", "output"):
        _plug_in(kind, "")


def put_back_leftovers() -> list[str]:
    """Undo what killed streamseps left with the sound server; return a line for each.

    Without a sound server there is nothing to undo.
    """
    try:
        server = SoundServer(NAME)
    except DeviceError:
        return []
    done = []
    # A server that has gone took all that was left there with it.
    with closing(server), suppress(ServerGoneError):
        for sink in leftovers(server):
            put_back(server, sink, Origins.marked_on(sink))
            done.append(f"removed the output '{sink.name}' that a killed streamsep had left")
    return done


def put_back(server: SoundServer, sink: ServerSink, origins: Origins) -> None:
    """Move all streams from our sink to where they came from, and remove it.

    Raises
    ------
    ServerGoneError
        If the server goes away meanwhile.
    """
    others = {other.name: other for other in server.sinks() if other.index != sink.index}
    elsewhere = others.get(origins.home) or likeliest([*others.values()], server.default_sink())
    for stream in server.streams():
        target = others.get(origins.streams.get(stream.index, ""), elsewhere)
        if stream.sink == sink.index and target is not None:
            server.move(stream, target)
    server.unload(sink.module)


def find_players(streams: list[ServerStream], app: str) -> list[ServerStream]:
    """Return the streams of an application: by name, program or pid, else by part of a name.

    Raises
    ------
    DeviceError
        Naming what plays.
    """
    wanted = app.lower()
    streams = [stream for stream in streams if stream.name or stream.binary]  # not the server's own
    for found in (
        [s for s in streams if wanted in (s.name.lower(), s.binary.lower(), s.pid)],
        [s for s in streams if wanted in s.name.lower() or wanted in s.binary.lower()],
    ):
        if found and wanted:
            return found
    playing = ", ".join(sorted({str(stream) for stream in streams})) or "nothing plays"
    raise DeviceError(
        f"nothing called {app!r} plays",
        expected=f"one of: {playing}" if streams else f"a player, but {playing}",
        remedy=f"start it and let it play, or choose the output '{NAME}' in its own settings",
    )


class Loopback:
    """Our sink and the streams moved there, from ``with`` to its end.

    Parameters
    ----------
    sample_rate, channels
        Of the model; the sink has the same, so that nothing on its way in converts.
    capture
        Application whose streams are moved, those too that it opens later; None leaves it to
        the user to choose the sink in a player.
    events
        Where it is noted that there is nothing left to play on.

    Attributes
    ----------
    stranded
        Whether what we play comes to our own sink, for want of another: it had better be silence.

    Raises
    ------
    DeviceError
        On entry: no server, or no such application. Nothing is changed then.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int,
        capture: str | None = None,
        events: EventLog | None = None,
    ) -> None:
        self._events, self.stranded = events or EventLog(), False
        self._sample_rate, self._channels, self._capture = sample_rate, channels, capture
        self._token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._origins = Origins("")
        self._seen: set[int] = set()
        self._listened_to = False
        self.captured: list[str] = []  # what is moved at the start
        self._stop = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="streamsep-loopback")
        self._wished = ""
        self.destination: ServerSink | None = None  # where our own output goes, if there is a place

    def __enter__(self) -> Loopback:
        self._server = SoundServer(f"{NAME} {self._token}")
        try:
            if self._capture is not None:
                find_players(self._others_streams(), self._capture)
            self._set_up()
            self._wished = os.environ.get("PULSE_SINK") or self._server.default_sink()
            self.destination = likeliest(self._server.sinks(), self._wished)
        except BaseException as error:
            self._server.close()
            if isinstance(error, ServerGoneError):
                raise DeviceError(
                    f"the sound server doesn't give us an output ({error})",
                    expected="PulseAudio or PipeWire with module-null-sink",
                    remedy="see its log, or name a device instead, see 'streamsep devices'",
                ) from error
            raise
        self._follower.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._follower.join()
        with closing(self._server), suppress(ServerGoneError):
            put_back(self._server, self._sink, self._origins)

    def _set_up(self) -> None:
        """Make the sink, its mark telling what is about to be moved there."""
        sinks = self._server.sinks()
        names = {sink.index: sink.name for sink in sinks}
        players = self._players(self._others_streams())
        self.captured = sorted({str(player) for player in players})
        self._origins = Origins(
            next((names[s.sink] for s in players if s.sink in names), self._server.default_sink()),
            {s.index: names[s.sink] for s in players if s.sink in names},
        )
        name = _free_name(set(names.values()))
        self._sink = self._server.load_null_sink(
            name,
            sample_rate=self._sample_rate,
            channels=self._channels,
            properties={
                "device.description": name,
                TOKEN: self._token,
                PID: str(os.getpid()),
                **self._origins.mark(),
            },
        )
        # Servers remember what a sink of this name was set to, maybe months ago.
        self._server.open_up(self._sink)
        self._level = (False, 1.0)
        self._server.watch()
        self._listened_to = False
        self._seen = set()

    def _others_streams(self) -> list[ServerStream]:
        """Return all streams but those of streamseps: what we play must not come back to us."""
        return [stream for stream in self._server.streams() if not stream.token]

    def _players(self, streams: list[ServerStream]) -> list[ServerStream]:
        try:
            return find_players(streams, self._capture) if self._capture is not None else []
        except DeviceError:
            return []

    def _follow(self) -> None:
        """Keep streams where they belong, and come back with a restarted server."""
        while not self._stop.is_set():
            try:
                if self._server.wait_for_change(LISTEN_S) or not self._listened_to:
                    self._keep_our_output_away()
                    self._capture_new_streams()
                    self._tell_level()
            except Exception as error:  # of the library too; mostly, the server has gone
                if not isinstance(error, ServerGoneError):
                    self._events.add(f"the sound server is asked anew ({first_line(error)})")
                self._come_back()

    def _keep_our_output_away(self) -> None:
        """Move what we play from where it would be heard again.

        PulseAudio moves it there when the user makes our sink the default output.
        """
        sinks = self._server.sinks()
        ours = {sink.index for sink in sinks if is_ours(sink)}
        target = likeliest(sinks, self.destination.name if self.destination else self._wished)
        astray = [
            stream
            for stream in self._server.streams()
            if stream.token == OWN_TOKEN and stream.sink in ours
        ]
        if astray and target is None and not self.stranded:
            self._events.add("no output is left but 'streamsep' itself: silence until there is one")
        self.stranded = bool(astray) and target is None
        for stream in astray:
            if target is not None:
                self._server.move(stream, target)

    def _capture_new_streams(self) -> None:
        """Move what the application plays, but not before our input listens.

        Until then nobody would hear it.
        """
        self._listened_to = self._listened_to or self._server.is_listened_to(self._sink)
        if not self._listened_to:
            return
        names = {sink.index: sink.name for sink in self._server.sinks()}
        # PipeWire tells of a stream before it has a sink, and again then.
        placed = [stream for stream in self._others_streams() if stream.sink in names]
        new = [stream for stream in placed if stream.index not in self._seen]
        self._seen = {stream.index for stream in placed}
        for stream in self._players(new):
            if stream.sink != self._sink.index and self._server.move(stream, self._sink):
                self._origins.streams[stream.index] = names[stream.sink]

    def _tell_level(self) -> None:
        """Say when somebody mutes our sink or changes its volume: the music is heard through it."""
        level = self._server.level_of(self._sink)
        if level == self._level:
            return
        (muted, volume), self._level = level, level
        state = "muted" if muted else f"at {100 * volume:.0f} %"
        self._events.add(f"the output '{self._sink.name}' is {state} in the sound server now")

    def _come_back(self) -> None:
        while not self._stop.wait(RECONNECT_S):
            try:
                self._server.connect()
                self._set_up()
            # libpulse, ctypes and a server that is just starting raise what they like; giving up
            # would leave the player that was moved to us silent, so it is tried again.
            except Exception:  # of others' code, see above
                continue
            return

    def notes(self) -> list[str]:
        """Return what the user should know at the start, a line each."""
        lines = [
            f"captured: {', '.join(self.captured)}"
            if self.captured
            else f"choose the output '{self._sink.name}' in a player, or capture one by its name"
        ]
        if self.destination is not None and self.destination.name != self._wished:
            lines.append(f"not back to '{self._wished}': playing on '{self.destination.name}'")
        return lines

    @property
    def input(self) -> DeviceInfo:
        """The device that hears our sink."""
        return _plug_in("input", self._sink.monitor)

    def output(self, name: str) -> DeviceInfo:
        """Return the output device of a name, which never is our own sink.

        It is tied to its sink: made the default later, our sink doesn't become it.

        Raises
        ------
        DeviceError
            If there is no other, or no such device.
        """
        if name not in THROUGH_THE_SERVER:
            return find_device(name, "output")
        if self.destination is None:
            raise DeviceError(
                f"the sound server has no output but '{self._sink.name}' itself",
                expected="another one to play on: what is played there would come back",
                remedy="connect speakers, or play to a file",
            )
        return _plug_in("output", self.destination.name)


def likeliest(sinks: list[ServerSink], wished: str) -> ServerSink | None:
    """Return the sink to play on: the wished one unless it is ours, else a sound card's."""
    usable = [sink for sink in sinks if not is_ours(sink)]
    usable.sort(key=lambda sink: (sink.name != wished, not sink.hardware))
    return usable[0] if usable else None


def _free_name(taken: set[str]) -> str:
    """Return our name, or with a number when another streamsep has it."""
    return next(n for n in (NAME, *(f"{NAME}{i}" for i in range(2, 100))) if n not in taken)


def _plug_in(kind: str, target: str) -> DeviceInfo:
    try:
        return replace(find_device(PLUG_IN, kind), target=target)
    except DeviceError as error:
        raise DeviceError(
            "PortAudio doesn't reach the sound server",
            expected=f"an {kind} device '{PLUG_IN}'",
            remedy=unset_first(INSTALL_PLUG_IN),
        ) from error
