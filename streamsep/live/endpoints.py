"""From the names a user gives to the sources and clocks that they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from streamsep.audio.capture.null_sink import Loopback, put_back_leftovers
from streamsep.audio.capture.virtual_cable import VirtualCable
from streamsep.audio.devices.device_list import DeviceInfo, find_device, share_a_clock
from streamsep.audio.devices.microphone import (
    DeviceMicrophone,
    Effect,
    MicrophoneSource,
    MicrophoneStream,
    role_name,
)
from streamsep.audio.devices.portaudio import DeviceInput, DeviceOutput
from streamsep.audio.devices.stream_watch import StreamWatch, refuse_hearing_ourselves
from streamsep.audio.endpoint import Sink, Source, TimerSink
from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.pipe_input import STDIN
from streamsep.dsp.channels import match_channels
from streamsep.dsp.voice_channel import AUTO, VoiceChannel, channel_number
from streamsep.errors import ArgumentError, DeviceError
from streamsep.events import EventLog
from streamsep.live.config import LOOPBACK, is_file_name
from streamsep.live.microphone_choice import MicrophoneChoice
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32

LoopbackDevices = Loopback | VirtualCable


@contextmanager
def loopback(
    input_name: str, capture: str | None, spec: SeparatorSpec, events: EventLog
) -> Iterator[LoopbackDevices | None]:
    """Have for a while what the input ``loopback`` means here; None for other inputs.

    Whatever the input, what a killed run left with the sound server is put back first.

    Raises
    ------
    DeviceError
        If there is no way to hear a player, or ``capture`` isn't playing.
    """
    for line in put_back_leftovers():
        events.add(line, kind="warning")
    if input_name != LOOPBACK:
        yield None
    elif sys.platform == "linux":
        with Loopback(
            sample_rate=spec.sample_rate, channels=spec.channels, capture=capture, events=events
        ) as ours:
            for line in ours.notes():
                events.add(line, kind="warning", settings=() if ours.captured else ("capture",))
            yield ours
    elif capture is not None:
        raise DeviceError(
            f"'{capture}' can't be moved to streamsep on this system",
            expected="PulseAudio or PipeWire, which can",
            remedy="capture nothing, and choose the loopback device as the player's output",
            settings=("capture",),
        )
    else:
        yield VirtualCable(sys.platform)


def open_source(
    name: str,
    spec: SeparatorSpec,
    block: int,
    devices: LoopbackDevices | None,
    *,
    output: str,
    events: EventLog,
    watch: StreamWatch,
) -> Source:
    """Open the input device of a name, or the loopback's own, for an output device or null.

    Raises
    ------
    DeviceError
        If it isn't there or can't be used.
    """
    device = devices.input if devices else find_device(name, "input")
    if output != "null" and not devices:
        refuse_hearing_ourselves(
            {"input": device}, _find_output(output, devices), settings={"input": "input"}
        )
    two_clocks = output != "null" and not share_a_clock(device, _find_output(output, devices))
    return DeviceInput(
        device,
        sample_rate=spec.sample_rate,
        channels=spec.channels,
        device_frames=block,
        two_clocks=two_clocks,
        events=events,
        silent=partial(watch.hears_us, "input"),
    )


def _tell(events: EventLog, notice: Notice) -> None:
    """Say at once what of a file isn't played as it is in it."""
    events.add(str(notice))


@contextmanager
def microphone_streams(
    choices: Sequence[MicrophoneChoice],
    spec: SeparatorSpec,
    block: int,
    *,
    output: str,
    devices: LoopbackDevices | None,
    events: EventLog,
    watch: StreamWatch,
) -> Iterator[dict[str, MicrophoneStream]]:
    """Open the devices among some microphones, each once; they are closed at the end.

    Returns them by the name that the user gave. Two on one device are left and right of it.

    Raises
    ------
    ArgumentError
        If two are the same voice.
    DeviceError
        If one isn't there or can't be used.
    """
    found: dict[DeviceInfo, list[MicrophoneChoice]] = {}
    for choice in choices:
        if not is_file_name(choice.device):
            found.setdefault(find_device(choice.device, "input"), []).append(choice)
    with ExitStack() as stack:
        streams: dict[str, MicrophoneStream] = {}
        for index, (device, voices) in enumerate(found.items()):
            role = role_name(index)
            _refuse_same_voice(device, voices)
            if output != "null":
                played_on = _find_output(output, devices)
                refuse_hearing_ourselves({role: device}, played_on, settings={role: "mic"})
            stream = MicrophoneStream(
                device,
                [voice.channel for voice in voices],
                sample_rate=spec.sample_rate,
                device_frames=block,
                events=events,
                role=role,
                silent=partial(watch.hears_us, role),
            )
            stack.callback(stream.close)
            streams |= dict.fromkeys((voice.device for voice in voices), stream)
        yield streams


def _refuse_same_voice(device: DeviceInfo, voices: Sequence[MicrophoneChoice]) -> None:
    """Refuse two names for one voice: it would be heard twice as loud, and scored twice."""
    channels = [voice.channel for voice in voices]
    if len(set(channels)) < len(channels):
        names = " and ".join(repr(voice.device) for voice in voices)
        raise ArgumentError(
            f"{names} are one device, '{device.name}'",
            expected="each voice once",
            remedy=f"say which channel each is on: {voices[0].device}:left and "
            f"{voices[0].device}:right",
            settings=("mic",),
        )


def open_microphone(
    choice: MicrophoneChoice,
    streams: Mapping[str, MicrophoneStream],
    spec: SeparatorSpec,
    effect: Effect | None,
    *,
    effect_delay: int,
    events: EventLog,
) -> MicrophoneSource:
    """Open a microphone, a voice of one of these streams or a file, with its effects.

    Raises
    ------
    AudioFileError
        If the file isn't there or can't be used.
    """
    if choice.device not in streams:
        return FileSource(
            STDIN if choice.device == "-" else Path(choice.device),
            sample_rate=spec.sample_rate,
            channels=spec.channels,
            effect=_of_channel(choice.channel, spec, effect),
            on_notice=partial(_tell, events),
        )
    return DeviceMicrophone(
        streams[choice.device],
        sample_rate=spec.sample_rate,
        channels=spec.channels,
        effect=effect,
        effect_delay=effect_delay,
        channel=choice.channel,
    )


def _of_channel(channel: str, spec: SeparatorSpec, effect: Effect | None) -> Effect | None:
    """Return what puts one channel of a file on all, before an effect."""
    if channel == AUTO:
        return effect
    if (channel_number(channel) or 1) > spec.channels:
        raise ArgumentError(
            f"a file as microphone has no channel {channel}",
            expected=f"1 to {spec.channels}, left and right",
            remedy="choose one of these",
            settings=("mic", "mic_channel"),
        )
    voice = VoiceChannel(spec.channels, spec.sample_rate, channel)

    def process(sound: Float32) -> Float32:
        sound = match_channels(voice.process(sound), spec.channels)
        return sound if effect is None else effect(sound)

    return process


def open_sink(
    name: str,
    source: Source,
    spec: SeparatorSpec,
    block: int,
    devices: LoopbackDevices | None,
    *,
    events: EventLog,
) -> Sink:
    """Open the output device of a name, or what paces a run without one (null).

    Raises
    ------
    DeviceError
        If it isn't there or can't be used.
    """
    if name != "null":
        return DeviceOutput(
            _find_output(name, devices),
            sample_rate=spec.sample_rate,
            channels=spec.channels,
            device_frames=block,
            events=events,
            silent=lambda: isinstance(devices, Loopback) and devices.stranded,
        )
    if isinstance(source, DeviceInput):
        return source  # one clock is better than two
    return TimerSink(spec.sample_rate, block, spec.channels)


def _find_output(name: str, devices: LoopbackDevices | None) -> DeviceInfo:
    return devices.output(name) if devices else find_device(name, "output")
