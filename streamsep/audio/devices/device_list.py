"""The devices that PortAudio knows, and how a user names one."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from streamsep.audio.devices.jack_client import (
    HOST_API,
    list_jack_devices,
    load_jack,
    without_jack,
)
from streamsep.audio.devices.sound_server import (
    ServerGoneError,
    ServerHangsError,
    SoundServer,
    why_no_server,
)
from streamsep.errors import DeviceError, first_line

PLUG_IN = "pulse"  # ALSA's, to the sound server
DEFAULT_NAMES = {"input": ("mic", "default"), "output": ("speakers", "default")}
INSTALL_PLUG_IN = (
    "install the plug-in to the sound server: 'apt install libasound2-plugins' or 'dnf install "
    "alsa-plugins-pulseaudio'"
)


def load_sounddevice() -> Any:
    """Return the ``sounddevice`` module.

    Raises
    ------
    DeviceError
        If the PortAudio library isn't there, or a sound server would have it hang.
    """
    _refuse_hanging_server()
    try:
        with without_jack():  # it starts PortAudio
            import sounddevice
    except OSError as error:
        raise DeviceError(
            f"the PortAudio library can't be loaded ({error})",
            expected="PortAudio 19",
            remedy="install it: 'apt install libportaudio2', 'dnf install portaudio' or "
            "'brew install portaudio'",
        ) from error
    except Exception as error:  # of its own kind, which can't be imported then
        settings, remedy = _own_settings()
        raise DeviceError(
            f"PortAudio doesn't start ({first_line(error)})",
            expected="a sound system that is set up right" + settings,
            remedy=f"{remedy}or use files only, which need no sound system",
        ) from error
    return sounddevice


def _refuse_hanging_server() -> None:
    """Refuse a sound server that doesn't answer, before PortAudio waits for it without an end."""
    if "sounddevice" not in sys.modules:
        try:
            SoundServer("streamsep").close()
        except DeviceError as error:  # mostly, there is none
            if isinstance(error, ServerHangsError):
                raise


def _own_settings() -> tuple[str, str]:
    """Name what this user has set up for ALSA, and what leaves it out.

    A mistake in it keeps PortAudio from starting.
    """
    files = [os.path.expanduser("~/.asoundrc"), "/etc/asound.conf"]
    found = [path for path in files if os.path.exists(path)]
    ways = [f"'mv {shlex.quote(path)} {shlex.quote(path + '.off')}'" for path in found]
    if names := alsa_variables():
        found += [f"{name}={os.environ[name]}" for name in names]
        ways.append(f"'unset {' '.join(names)}'")
    if not found:
        return "", "see what else uses it, "
    return f" (ALSA reads {' and '.join(found)})", f"correct these, or try {' and '.join(ways)}, "


def alsa_variables() -> list[str]:
    """Return the names of variables that ALSA reads: a mistake in one hides all devices."""
    return sorted(name for name in os.environ if name.startswith("ALSA_"))


def unset_first(remedy: str) -> str:
    """Return a remedy, with the variables that may be to blame before it."""
    names = alsa_variables()
    if not names:
        return remedy
    known = ", ".join(f"{name}={os.environ[name]}" for name in names)
    return f"ALSA reads {known}: try 'unset {' '.join(names)}'; else {remedy}"


def why_no_devices(others: Sequence[DeviceInfo]) -> str:
    """Return what helps where PortAudio sees none of a kind: of all, if the server isn't found."""
    if others or sys.platform != "linux":
        return "connect one"
    try:
        SoundServer("streamsep").close()
    except ServerHangsError as error:
        return error.remedy
    except DeviceError:
        return unset_first(f"connect one, or reach the sound server: {why_no_server('')}")
    return unset_first(INSTALL_PLUG_IN)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device as PortAudio describes it.

    Those of JACK have numbers of ours.
    """

    index: int
    name: str
    host_api: str
    inputs: int
    outputs: int
    sample_rate: int
    default_input: bool
    default_output: bool
    # Of a sound server's plug-in: the sink or source behind it, None for the server's default.
    target: str | None = None


def list_devices() -> list[DeviceInfo]:
    """Return all devices: PortAudio's, and after them JACK's, as PortAudio would list them.

    Raises
    ------
    DeviceError
        If PortAudio is missing or fails.
    """
    devices = _portaudio_devices()
    if load_jack() is None:
        return devices
    # Who uses PortAudio beside us may have let it see JACK.
    others = [device for device in devices if not on_jack(device)]
    return [*others, *_jack_devices(len(devices), others)]


def _jack_devices(first: int, others: Sequence[DeviceInfo]) -> list[DeviceInfo]:
    """Return JACK's devices, numbered from ``first``; they are the default where there is none."""
    listed = list_jack_devices()
    listens = next((d for d in listed if d.inputs), None)
    plays = next((d for d in listed if d.outputs), None)
    return [
        DeviceInfo(
            index=first + place,
            name=device.name,
            host_api=HOST_API,
            inputs=device.inputs,
            outputs=device.outputs,
            sample_rate=device.sample_rate,
            default_input=device is listens and not any(d.default_input for d in others),
            default_output=device is plays and not any(d.default_output for d in others),
        )
        for place, device in enumerate(listed)
    ]


def on_jack(device: DeviceInfo) -> bool:
    """Say whether a device is one of a JACK server's."""
    return device.host_api == HOST_API and load_jack() is not None


def _portaudio_devices() -> list[DeviceInfo]:
    sd = load_sounddevice()
    try:
        found, apis = sd.query_devices(), sd.query_hostapis()
        defaults = tuple(sd.default.device)
    except sd.PortAudioError as error:
        raise DeviceError(
            f"PortAudio can't list devices ({error})",
            expected="a working audio system",
            remedy="check that the sound server runs; 'streamsep doctor' tells more",
        ) from error
    return [
        DeviceInfo(
            index=index,
            name=str(device["name"]),
            host_api=str(apis[device["hostapi"]]["name"]),
            inputs=int(device["max_input_channels"]),
            outputs=int(device["max_output_channels"]),
            sample_rate=int(device["default_samplerate"]),
            default_input=index == defaults[0],
            default_output=index == defaults[1],
        )
        for index, device in enumerate(found)
    ]


def find_device(name: str, kind: str) -> DeviceInfo:
    """Find a device by number, by name, or by part of its name.

    Parameters
    ----------
    name
        ``mic``, ``speakers`` or ``default`` mean the system's default. What the sound server has
        behind its plug-in is found too, by its name or description there, or part of them.
    kind
        ``"input"`` or ``"output"``.

    Raises
    ------
    DeviceError
        Naming the devices that there are.
    """
    devices = list_devices()
    usable = [d for d in devices if (d.inputs if kind == "input" else d.outputs) > 0]
    for matches in (
        lambda d: (
            name in DEFAULT_NAMES[kind]
            and (d.default_input if kind == "input" else d.default_output)
        ),
        lambda d: name == str(d.index),
        lambda d: name.lower() == d.name.lower(),
        lambda d: name not in DEFAULT_NAMES[kind] and name.lower() in d.name.lower(),
        # What ALSA's plug-in for JACK is called, which isn't seen any more.
        lambda d: name.lower() == "jack" and on_jack(d),
    ):
        for device in usable:
            if matches(device):
                return device
    behind = _behind_the_server(usable, kind)
    for target in _matching(behind, name):
        plug_in = next(d for d in usable if d.name == PLUG_IN)
        return replace(plug_in, target=target)
    listed = [f"{d.index} '{d.name}'" for d in usable] + [repr(target) for target in behind]
    known = ", ".join(listed) or "none at all"
    raise DeviceError(
        f"no {kind} device {name!r}",
        expected=f"one of: {known}",
        remedy="see 'streamsep devices'" if usable else why_no_devices(devices),
    )


def _behind_the_server(usable: list[DeviceInfo], kind: str) -> dict[str, str]:
    """Return what the sound server's plug-in leads to: names, and what people call them."""
    if all(device.name != PLUG_IN for device in usable):
        return {}
    try:
        with closing(SoundServer("streamsep")) as server:
            return server.descriptions("source" if kind == "input" else "sink")
    except (DeviceError, ServerGoneError):
        return {}


def _matching(behind: dict[str, str], name: str) -> list[str]:
    """Return the names that are meant: the one that it is, or what it is a part of."""
    if name in behind:
        return [name]
    part = name.lower()
    # Who names a device by half doesn't mean what is played on it.
    sources = {target: text for target, text in behind.items() if not target.endswith(".monitor")}
    return [t for t, text in sources.items() if part in t.lower() or part in text.lower()]


def share_a_clock(source: DeviceInfo, sink: DeviceInfo) -> bool:
    """Say whether two devices run on one clock for certain.

    All of JACK does, and so do both ends of one piece of hardware. Behind the name of a sound
    server (pulse, pipewire, default) there may be any two.
    """
    if source.host_api != sink.host_api:
        return False
    hardware = source.host_api == "Core Audio" or "(hw:" in source.name
    return source.host_api.startswith("JACK") or (source.index == sink.index and hardware)
