"""Opens the stream of a device, through PortAudio or at JACK's server, and keeps it open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from streamsep.audio.devices.device_list import (
    DeviceInfo,
    list_devices,
    load_sounddevice,
    on_jack,
    unset_first,
)
from streamsep.audio.devices.environment import environment
from streamsep.audio.devices.jack_stream import JackStream
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream, note_stream
from streamsep.audio.devices.sound_server import (
    OWN_TOKEN,
    STREAM_ROLE,
    STREAM_TOKEN,
    ServerGoneError,
    SoundServer,
)
from streamsep.audio.devices.stream_watch import server_target
from streamsep.errors import DeviceError
from streamsep.events import EventLog

# Devices that ask PULSE_SINK and PULSE_SOURCE which of the sound server's they are.
BY_ENVIRONMENT = ("pulse", "default")


@contextmanager
def _aimed_at(target: str | None, kind: str) -> Iterator[None]:
    """Have a sound server's plug-in take this sink or source, and know the stream for ours.

    It asks the environment.
    """
    aim = {} if target is None else {"PULSE_SINK": target, "PULSE_SOURCE": target}
    marks = {STREAM_TOKEN: OWN_TOKEN, STREAM_ROLE: kind}
    if aim and kind == "input":
        # Else PipeWire lets it go on to wherever the default output goes, once that was what it
        # listens to, and we would hear ourselves.
        marks["node.dont-reconnect"] = "true"
    properties = [f'{name}="{value}"' for name, value in marks.items()]
    with environment({}):  # what is there now isn't another stream's
        users = os.environ.get("PULSE_PROP")
        aim["PULSE_PROP"] = " ".join([users, *properties] if users else properties)
        if "PIPEWIRE_PROPS" not in os.environ:  # of its own plug-in
            aim["PIPEWIRE_PROPS"] = f"{{ {' '.join(properties)} }}"
        with environment(aim):
            yield


def _check_target(device: DeviceInfo, kind: str) -> None:
    """Refuse a sink or source that the sound server hasn't got, or not yet.

    PipeWire would give another one in its place, just after its start, and leave it at that.
    """
    sort = "sink" if kind == "output" else "source"
    variable = f"PULSE_{sort.upper()}"
    wanted, remedy = device.target, "choose one of these"
    if wanted is None and device.name in BY_ENVIRONMENT:
        wanted = os.environ.get(variable)
        remedy = f"'unset {variable}', or name one of these in it"
    if not wanted or wanted.startswith("@") or wanted.isdigit():  # @DEFAULT_SINK@, or its number
        return
    try:
        with closing(SoundServer("streamsep")) as server:
            names = server.names(sort)
    except (DeviceError, ServerGoneError):
        return  # PortAudio will find that out too
    if wanted not in names:
        raise DeviceError(
            f"the sound server has no {sort} {wanted!r}",
            expected=f"one of: {', '.join(names)}",
            remedy=remedy,
        )


def _open(device: DeviceInfo, kind: str, rate: int, **options: Any) -> Any:
    """Open a stream at ``rate`` or, where the device can't, at its own default rate."""
    if on_jack(device):
        return note_stream(_open_at_jack(device, kind, **options))
    sd = load_sounddevice()
    stream_class = sd.OutputStream if kind == "output" else sd.InputStream
    _check_target(device, kind)
    errors = []
    for candidate in dict.fromkeys((rate, device.sample_rate)):
        try:
            with _aimed_at(device.target, kind):
                stream = stream_class(
                    device=device.index, samplerate=candidate, dtype="float32", **options
                )
            return note_stream(stream)
        except (sd.PortAudioError, ValueError) as error:
            errors.append(f"{candidate} Hz: {error}")
    raise DeviceError(
        f"{kind} device '{device.name}' can't be opened ({'; '.join(errors)})",
        expected="a device that is free and takes float samples",
        remedy=unset_first("close what uses it, or choose another with 'streamsep devices'"),
    )


def _open_at_jack(device: DeviceInfo, kind: str, **options: Any) -> JackStream:
    """Open a stream at the rate and the period of JACK's server, which has no other latency."""
    options.pop("latency", None)
    return JackStream(device.name, captures=kind != "output", role=kind, **options)


def open_reconnecting(
    device: DeviceInfo,
    kind: str,
    rate: int,
    *,
    events: EventLog,
    returned: Callable[[], None] = lambda: None,
    **options: Any,
) -> ReconnectingStream:
    """Open a stream that is opened again whenever its device comes back.

    It is at the same rate then, but at JACK: a server that comes back at another rate has no other.

    Parameters
    ----------
    kind
        ``"output"``, or what listens: it is the stream's name in a sound server.
    rate
        In Hz; the device's own where it can't have that.
    returned
        See `ReconnectingStream`.
    options
        Of sounddevice's streams.
    """
    first: list[int] = []  # the rate it was opened at

    def opening() -> Any:
        if not first:
            stream = _open(device, kind, rate, **options)
            first.append(int(stream.samplerate))
            return stream
        if on_jack(device):
            return _open(device, kind, first[0], **options)
        same = [d for d in list_devices() if (d.name, d.host_api) == (device.name, device.host_api)]
        found = same[0] if same else device
        again = replace(device, index=found.index, sample_rate=first[0])
        return _open(again, kind, first[0], **options)

    stream = ReconnectingStream(
        load_sounddevice(), opening, f"{kind} '{device.name}'", events, returned
    )
    stream.behind = server_target(device, "sink" if kind == "output" else "source")
    return stream
