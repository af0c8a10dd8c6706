"""PulseAudio, or PipeWire in its place: who plays where, and moving it."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from streamsep.audio.devices.sound_flow import SoundFlow
from streamsep.errors import DeviceError

NO_SINK = "auto_null"  # what servers offer while there is no sink; gone as soon as there is one
SYSTEMD = "/run/systemd/system"  # there where systemd has started the system
USER_UNITS = ("/etc/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user")
RUNTIME_FOLDERS, SOCKET = "/run/user", "pulse/native"  # of the users, and a server's in each
HARDWARE = 0x4  # PA_SINK_HARDWARE
# Properties of our own streams: whose they are, and what for. A process number wouldn't do, since
# a sandbox has numbers of its own.
STREAM_TOKEN, STREAM_ROLE = "streamsep.stream", "streamsep.role"
SINK_TOKEN = "streamsep.token"  # of the sinks by which players are captured
OWN_TOKEN = f"{os.getpid()}-{secrets.token_hex(4)}"
ANSWER_S = 2.5  # until one that is there has answered: the system may have to start it first


class ServerGoneError(Exception):
    """The server ended, refused, or no longer has what was asked for."""


class ServerHangsError(DeviceError):
    """The server is there, and doesn't answer: whoever opens its devices would hang too."""

    def __init__(self) -> None:
        super().__init__(
            f"the sound server doesn't answer within {ANSWER_S:g} s",
            expected="PulseAudio or PipeWire that runs, or none",
            remedy=f"{_to_run('restart')}, or play files into files, which needs none",
        )


@dataclass(frozen=True, slots=True)
class ServerSink:
    """What players play on: a sound card, or something that looks like one."""

    index: int
    name: str
    monitor: str  # the source that hears what is played on it
    module: int  # number of the module that made it
    hardware: bool
    properties: Mapping[str, str]
    form: str = ""  # rate and channels
    muted: bool = False


@dataclass(frozen=True, slots=True)
class ServerStream:
    """The sound of one player on its way to a sink ("sink input" in the server's words)."""

    index: int
    sink: int
    name: str
    binary: str
    pid: str
    token: str = ""  # of the streamsep that it belongs to
    muted: bool = False
    volume: float = 1.0

    def __str__(self) -> str:
        """Return what a user knows it by."""
        return f"{self.name or self.binary or 'unnamed'} (pid {self.pid or 'unknown'})"


@dataclass(frozen=True, slots=True)
class ServerSource:
    """What programs listen to: a microphone, or the monitor of a sink."""

    index: int
    name: str
    monitor_of: str  # name of the sink; empty for what isn't a monitor
    hears: frozenset[str] = frozenset()  # names of sinks; see `SoundFlow`
    form: str = ""  # rate and channels
    muted: bool = False


@dataclass(frozen=True, slots=True)
class ServerCapture:
    """A program that listens to a source ("source output" in the server's words)."""

    index: int
    source: int
    token: str
    role: str
    muted: bool
    volume: float


def on_pipewire() -> bool:
    """Say whether the user's sound server is PipeWire; False where there is none."""
    try:
        server = SoundServer("streamsep")
    except DeviceError:
        return False
    with closing(server), suppress(ServerGoneError):
        return server.is_pipewire
    return False


def _form(device: Any) -> str:
    spec = device.sample_spec
    return f"{spec.rate} Hz, {spec.channels} channel{'' if spec.channels == 1 else 's'}"


def _is_muted(device: Any) -> bool:
    return bool(device.mute) or not device.volume.value_flat


def why_no_server(otherwise: str = ", or name a device instead, see 'streamsep devices'") -> str:
    """Return what helps where no server answers: one may be there, and only not be found.

    ``otherwise`` is what else can be done where none runs.
    """
    if server := os.environ.get("PULSE_SERVER"):
        return (
            f"PULSE_SERVER={server} says where it is: correct it, or 'unset PULSE_SERVER' to take "
            "this user's"
        )
    own = f"{RUNTIME_FOLDERS}/{os.getuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if os.path.exists(f"{own}/{SOCKET}") and runtime != own:
        known = f"XDG_RUNTIME_DIR={runtime}" if runtime else "XDG_RUNTIME_DIR isn't set"
        return f"one runs at {own}/{SOCKET}, and {known}: 'export XDG_RUNTIME_DIR={own}'"
    with suppress(OSError):
        for number in os.listdir(RUNTIME_FOLDERS):
            if number.isdigit() and os.path.exists(f"{RUNTIME_FOLDERS}/{number}/{SOCKET}"):
                return (
                    f"one runs for the user {_user_name(int(number))}: run streamsep as that user, "
                    "not as root or with sudo"
                )
    return f"{_to_run('start')}{otherwise}"


def _to_run(verb: str) -> str:
    """Return how a server is started or restarted on this machine: by what is there."""
    by_systemd = os.path.isdir(SYSTEMD)
    for unit in ("pipewire-pulse", "pulseaudio"):
        if by_systemd and any(os.path.exists(f"{each}/{unit}.service") for each in USER_UNITS):
            return f"{verb} it ('systemctl --user {verb} {unit}')"
    if shutil.which("pulseaudio"):
        first = "pulseaudio -k; " if verb == "restart" else ""
        return f"{verb} it ('{first}pulseaudio --start')"
    if shutil.which("pipewire-pulse"):
        return f"{verb} it ('pipewire & wireplumber & pipewire-pulse &')"
    return "install one, such as PipeWire with pipewire-pulse, and start it"


def _user_name(number: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return str(number)


class SoundServer:
    """A connection to the user's sound server, for one thread at a time.

    Parameters
    ----------
    client_name
        What the server lists us as.

    Raises
    ------
    DeviceError
        If libpulse is missing or no server answers.
    ServerHangsError
        If one is there that doesn't answer.
    """

    def __init__(self, client_name: str) -> None:
        self._pulse: Any = None
        try:
            import pulsectl
            from pulsectl import _pulsectl as library

            from streamsep.audio.devices.pulse_connection import PulseConnection
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"the PulseAudio library can't be loaded ({error})",
                expected="libpulse, by which PulseAudio and PipeWire are reached",
                remedy="install it: 'apt install libpulse0' or 'dnf install pulseaudio-libs'",
            ) from error
        self._failures = (
            pulsectl.PulseError,
            pulsectl.PulseDisconnected,
            library.LibPulse.CallError,
        )
        self._stop_waiting = pulsectl.PulseLoopStop
        self._client_name = client_name
        self._changed = False
        self._connection = PulseConnection
        self.connect()

    def connect(self) -> None:
        """Connect, or connect anew after the server has gone; never starts a server.

        Raises
        ------
        DeviceError
            If no server answers.
        ServerHangsError
            If one is there that doesn't.
        """
        self.close()
        pulse = self._connection(self._client_name, connect=False)
        began = time.monotonic()
        try:
            pulse.connect(autospawn=False, timeout=ANSWER_S)
        except self._failures as error:
            pulse.close()
            if time.monotonic() - began >= ANSWER_S:
                raise ServerHangsError from error
            raise DeviceError(
                "no PulseAudio or PipeWire server answers",
                expected="one that runs for this user",
                remedy=why_no_server(),
            ) from error
        self._pulse = pulse

    def close(self) -> None:
        """Disconnect."""
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._pulse is None:
            raise ServerGoneError("not connected")
        try:
            return getattr(self._pulse, method)(*arguments)
        except self._failures as error:
            raise ServerGoneError(f"{method}: {error}") from error

    def sinks(self) -> list[ServerSink]:
        """Return all sinks but the stand-in for none."""
        return [
            ServerSink(
                s.index,
                s.name,
                s.monitor_source_name,
                s.owner_module,
                bool(s.flags & HARDWARE),
                dict(s.proplist),
                _form(s),
                _is_muted(s),
            )
            for s in self._ask("sink_list")
            if s.name != NO_SINK
        ]

    def names(self, kind: str) -> list[str]:
        """Return the names of all that can be played to (``sink``) or heard (``source``)."""
        return [str(each.name) for each in self._ask(f"{kind}_list")]

    def descriptions(self, kind: str) -> dict[str, str]:
        """Return how people know each ``sink`` or ``source``, by its name."""
        return {str(s.name): str(s.description) for s in self._ask(f"{kind}_list")}

    @property
    def is_pipewire(self) -> bool:
        """Whether it is PipeWire in PulseAudio's place."""
        return "PipeWire" in str(self._ask("server_info").server_name)

    def default_sink(self) -> str:
        """Return the name of the sink that players get unless told otherwise."""
        return str(self._ask("server_info").default_sink_name)

    def streams(self) -> list[ServerStream]:
        """Return what plays, or could go on to: paused players too."""
        clients = {c.index: c.proplist for c in self._ask("client_list")}
        found = []
        for stream in self._ask("sink_input_list"):
            known = {**clients.get(stream.client, {}), **stream.proplist}
            found.append(
                ServerStream(
                    stream.index,
                    stream.sink,
                    known.get("application.name", ""),
                    known.get("application.process.binary", ""),
                    known.get("application.process.id", ""),
                    known.get(STREAM_TOKEN, ""),
                    bool(stream.mute),
                    float(stream.volume.value_flat),
                )
            )
        return found

    def sources(self) -> list[ServerSource]:
        """Return all that can be heard."""
        listed = self._ask("source_list")
        streams = [self._ask(f"{kind}_list") for kind in ("sink_input", "source_output")]
        flow = SoundFlow(self._ask("sink_list"), listed, *streams)
        return [
            ServerSource(
                source.index,
                str(source.name),
                str(source.monitor_of_sink_name or ""),
                flow.sinks_heard_in(str(source.name)),
                _form(source),
                _is_muted(source),
            )
            for source in listed
        ]

    def captures(self) -> list[ServerCapture]:
        """Return who listens to what."""
        clients = {c.index: c.proplist for c in self._ask("client_list")}
        found = []
        for capture in self._ask("source_output_list"):
            known = {**clients.get(capture.client, {}), **capture.proplist}
            found.append(
                ServerCapture(
                    capture.index,
                    capture.source,
                    known.get(STREAM_TOKEN, ""),
                    known.get(STREAM_ROLE, ""),
                    bool(capture.mute),
                    float(capture.volume.value_flat),
                )
            )
        return found

    def default_source(self) -> str:
        """Return the name of the source that programs get unless told otherwise."""
        return str(self._ask("server_info").default_source_name)

    def move_capture(self, capture: ServerCapture, source: ServerSource) -> bool:
        """Have a program listen to another source; False if one of them has gone meanwhile."""
        try:
            self._ask("source_output_move", capture.index, source.index)
        except ServerGoneError:
            return False
        return True

    def open_up(self, sink: ServerSink) -> None:
        """Have a sink and its monitor at full volume and not muted, whatever is remembered."""
        for kind, name in (("sink", sink.name), ("source", sink.monitor)):
            for each in self._ask(f"{kind}_list"):
                if each.name == name:
                    self._ask("volume_set_all_chans", each, 1.0)
                    self._ask("mute", each, False)

    def level_of(self, sink: ServerSink) -> tuple[bool, float]:
        """Return whether a sink or its monitor is muted, and the volume of both together."""
        muted, volume = False, 1.0
        for kind, name in (("sink", sink.name), ("source", sink.monitor)):
            for each in self._ask(f"{kind}_list"):
                if each.name == name:
                    muted, volume = muted or bool(each.mute), volume * each.volume.value_flat
        return muted, volume

    def client_names(self) -> list[str]:
        """Return the names of all connected programs."""
        return [str(client.name) for client in self._ask("client_list")]

    def is_listened_to(self, sink: ServerSink) -> bool:
        """Say whether a program hears the sink's monitor."""
        sources = {s.index for s in self._ask("source_list") if s.name == sink.monitor}
        return any(output.source in sources for output in self._ask("source_output_list"))

    def move(self, stream: ServerStream, sink: ServerSink) -> bool:
        """Let a stream play on another sink; False if it has ended meanwhile.

        Both servers take a move to the default sink as "wherever the default is".
        """
        try:
            self._ask("sink_input_move", stream.index, sink.index)
        except ServerGoneError:
            return False
        return True

    def load_null_sink(
        self, name: str, *, sample_rate: int, channels: int, properties: Mapping[str, str]
    ) -> ServerSink:
        """Make a sink that plays nowhere and return it; the server may have changed its name."""
        written = " ".join(f'{key}="{value}"' for key, value in properties.items())
        arguments = (
            f"sink_name={name} rate={sample_rate} channels={channels} format=float32le "
            f"sink_properties='{written}'"
        )
        try:
            # Else it renders two seconds ahead while nobody listens, and is then silent as long.
            module = self._ask("module_load", "module-null-sink", f"{arguments} norewinds=1")
        except ServerGoneError:  # before PulseAudio 15 there is no such argument
            module = self._ask("module_load", "module-null-sink", arguments)
        for sink in self.sinks():
            if sink.module == module:
                return sink
        raise ServerGoneError(f"the sink {name} is gone again")

    def unload(self, module: int) -> None:
        """Take back what `load_null_sink` made."""
        self._ask("module_unload", module)

    def watch(self) -> None:
        """Have the server tell of all that plays and listens; see `wait_for_change`."""

        def note(event: Any) -> None:
            self._changed = True
            raise self._stop_waiting

        self._ask("event_mask_set", "sink_input", "sink", "source_output", "source", "server")
        self._pulse.event_callback_set(note)

    def wait_for_change(self, timeout_s: float) -> bool:
        """Wait for anything to come, go, be moved or set, and say whether something was.

        Raises
        ------
        ServerGoneError
            At once when the server ends.
        """
        if not self._changed:
            self._ask("event_listen", timeout_s)
        changed, self._changed = self._changed, False
        return changed
