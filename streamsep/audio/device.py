"""Sound devices through PortAudio: one input stream and one output stream, never a duplex one.

Through PulseAudio's ALSA plug-in a duplex stream silently repeats and skips blocks; two streams
with a small ring between them don't, on any system.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsep.audio.endpoint import Pull
from streamsep.audio.file import match_channels
from streamsep.audio.jitter import JitterBuffer
from streamsep.audio.kept_stream import KeptStream, keep_time, note_stream
from streamsep.audio.sound_server import ServerGoneError, SoundServer, on_pipewire
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.errors import DeviceError, StreamsepError
from streamsep.events import EventLog
from streamsep.priority import AUDIO, promote

Float32 = NDArray[np.float32]

# Devices that ask PULSE_SINK and PULSE_SOURCE which of the sound server's they are.
BY_ENVIRONMENT = ("pulse", "default")
DEFAULT_NAMES = {"input": ("mic", "default"), "output": ("speakers", "default")}


def portaudio() -> Any:
    """Return the ``sounddevice`` module.

    Raises
    ------
    DeviceError
        If the PortAudio library isn't there.
    """
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            f"the PortAudio library can't be loaded ({error})",
            expected="PortAudio 19",
            remedy="install it: 'apt install libportaudio2', 'dnf install portaudio' or "
            "'brew install portaudio'",
        ) from error
    return sounddevice


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device as PortAudio describes it."""

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
    """Return all devices.

    Raises
    ------
    DeviceError
        If PortAudio is missing or fails.
    """
    sd = portaudio()
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
        ``mic``, ``speakers`` or ``default`` mean the system's default.
    kind
        ``"input"`` or ``"output"``.

    Raises
    ------
    DeviceError
        Naming the devices that there are.
    """
    usable = [d for d in list_devices() if (d.inputs if kind == "input" else d.outputs) > 0]
    for matches in (
        lambda d: (
            name in DEFAULT_NAMES[kind]
            and (d.default_input if kind == "input" else d.default_output)
        ),
        lambda d: name == str(d.index),
        lambda d: name.lower() == d.name.lower(),
        lambda d: name not in DEFAULT_NAMES[kind] and name.lower() in d.name.lower(),
    ):
        for device in usable:
            if matches(device):
                return device
    known = ", ".join(f"{d.index} '{d.name}'" for d in usable) or "none at all"
    raise DeviceError(
        f"no {kind} device {name!r}",
        expected=f"one of: {known}",
        remedy="see 'streamsep devices'",
    )


@contextmanager
def _aimed_at(target: str | None, kind: str) -> Iterator[None]:
    """Have a sound server's plug-in take this sink or source; it asks the environment."""
    aim = {} if target is None else {"PULSE_SINK": target, "PULSE_SOURCE": target}
    if aim and kind == "input":
        # Else PipeWire lets it go on to wherever the default output goes, once that was what it
        # listens to, and we would hear ourselves.
        aim["PULSE_PROP"] = "node.dont-reconnect=true"
    before = {name: os.environ.get(name) for name in aim}
    os.environ.update(aim)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _check_target(device: DeviceInfo, kind: str) -> None:
    """Refuse a sink or source that the sound server hasn't got, or not yet.

    PipeWire would give another one in its place, just after its start, and leave it at that.
    """
    sort = "sink" if kind == "output" else "source"
    variable = f"PULSE_{sort.upper()}"
    wanted = device.target
    if wanted is None and device.name in BY_ENVIRONMENT:
        wanted = os.environ.get(variable)
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
            remedy=f"correct {variable}, or leave it out",
        )


def _open(stream_class: Any, device: DeviceInfo, kind: str, rate: int, **options: Any) -> Any:
    """Open a stream at ``rate`` or, where the device can't, at its own default rate."""
    sd = portaudio()
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
        remedy="close what uses it, or choose another with 'streamsep devices'",
    )


def keep_open(
    stream_class: Any,
    device: DeviceInfo,
    kind: str,
    rate: int,
    *,
    events: EventLog,
    returned: Callable[[], None] = lambda: None,
    **options: Any,
) -> KeptStream:
    """Open a stream that is opened again, at the same rate, whenever its device comes back."""
    first: list[int] = []  # the rate it was opened at

    def opening() -> Any:
        if not first:
            stream = _open(stream_class, device, kind, rate, **options)
            first.append(int(stream.samplerate))
            return stream
        same = [d for d in list_devices() if (d.name, d.host_api) == (device.name, device.host_api)]
        found = same[0] if same else device
        again = replace(device, index=found.index, sample_rate=first[0])
        return _open(stream_class, again, kind, first[0], **options)

    return KeptStream(portaudio(), opening, f"{kind} '{device.name}'", events, returned)


def share_a_clock(source: DeviceInfo, sink: DeviceInfo) -> bool:
    """Say whether two devices run on one clock for certain.

    All of JACK does, and so do both ends of one piece of hardware. Behind the name of a sound
    server (pulse, pipewire, default) there may be any two.
    """
    if source.host_api != sink.host_api:
        return False
    hardware = source.host_api == "Core Audio" or "(hw:" in source.name
    return source.host_api.startswith("JACK") or (source.index == sink.index and hardware)


def _stamps_mislead(device: DeviceInfo) -> bool:
    """Say whether an input's time stamps tell of sound before it can have come.

    Those of PipeWire do, by up to 12 ms in the first second and by more later, as PulseAudio's
    client draws them. What it hands over has come in by then, and not much earlier.
    """
    through_a_server = device.host_api == "ALSA" and "(hw:" not in device.name
    return through_a_server and on_pipewire()


class DeviceInput:
    """An input device as a source and, where nothing is played, as the clock too.

    Without its device it gives silence, until the device is back.

    Parameters
    ----------
    device
        From `find_device`.
    sample_rate, channels
        Of the model; the device's own are converted.
    device_frames
        Samples per block, at the model's rate.
    two_clocks
        Whether what reads it has another clock, whose drift is to be resampled away.
    events
        Where it is noted that the device has gone or come back.
    """

    def __init__(
        self,
        device: DeviceInfo,
        *,
        sample_rate: int,
        channels: int,
        device_frames: int,
        two_clocks: bool = False,
        events: EventLog | None = None,
    ) -> None:
        self.fault: StreamsepError | None = None
        self._channels, self._frames = channels, device_frames
        self._period_s = device_frames / sample_rate
        self._kept = keep_open(
            portaudio().InputStream,
            device,
            "input",
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=min(device.inputs, channels),
            blocksize=device_frames,
            callback=self._callback,
        )
        stream = self._kept.stream
        self._rate = int(stream.samplerate)
        self._stamped = not _stamps_mislead(device)
        self._resampler = StreamResampler(self._rate, sample_rate, stream.channels)
        self._buffer = JitterBuffer(
            channels,
            device_frames,
            sample_rate=sample_rate,
            buffered=round(stream.latency * sample_rate),
            two_clocks=two_clocks,
            stamped=self._stamped,
        )
        self._promoted = False
        self._pull: Pull | None = None
        self._outdata = np.zeros((device_frames, channels), np.float32)
        self.latency = self._buffer.latency

    @property
    def finished(self) -> bool:
        """A device never ends by itself."""
        return False

    @property
    def drift_ppm(self) -> float | None:
        """See `Source.drift_ppm`."""
        return self._buffer.drift_ppm

    @property
    def measured(self) -> int | None:
        """See `Source.measured`."""
        return self._buffer.measured

    def start(self) -> None:
        """Start the stream."""
        self._kept.start()

    def _returned(self) -> None:
        self._promoted = False
        self._buffer.restart()

    def _callback(self, indata: Float32, frames: int, times: Any, status: Any) -> None:
        if not self._promoted:
            self._promoted = promote(AUDIO) or True
        self._kept.touch()
        if status:
            self._buffer.lost()
        newest = None
        if self._stamped:
            newest = _stamp(times, times.inputBufferAdcTime) + frames / self._rate
        sound = self._resampler.process(indata.T)
        self._buffer.write(match_channels(sound, self._channels), newest)
        if self._pull is not None and not self._kept.replaced:
            while self._buffer.available >= self._frames:
                self._pull(self._outdata, 0)

    def ready(self) -> bool:
        """Wait for the first blocks, so that later bursts find a filled buffer."""
        return self._buffer.ready()

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C); see `Source.read`."""
        return self._buffer.read(out, due)

    def run(self, pull: Pull, stop: threading.Event) -> None:
        """Be the clock: every device block asks for one; see `Clock.run`."""
        self._buffer.be_read_as_it_comes()
        self._pull = pull
        keep_time(self._kept, lambda due: pull(self._outdata, 0, due), self._period_s, stop)

    def close(self) -> None:
        """Close the stream."""
        self._kept.close()


class DeviceOutput:
    """An output device, the clock of all that is played on it.

    Without its device the blocks are asked for all the same, until the device is back.

    Parameters
    ----------
    device, sample_rate, channels, device_frames, events
        As for `DeviceInput`.
    silent
        Asked whether to play silence.
    """

    def __init__(
        self,
        device: DeviceInfo,
        *,
        sample_rate: int,
        channels: int,
        device_frames: int,
        events: EventLog | None = None,
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._silent = silent
        self._kept = keep_open(
            portaudio().OutputStream,
            device,
            "output",
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=min(device.outputs, max(channels, 1)),
            blocksize=device_frames,
            callback=self._callback,
        )
        stream = self._kept.stream
        self._rate, self._channels = int(stream.samplerate), stream.channels
        self._period_s = device_frames / sample_rate
        self._resampler = StreamResampler(sample_rate, self._rate, channels)
        self._block = np.zeros((device_frames, channels), np.float32)
        self._ring = RingBuffer((self._channels,), 4 * self._rate)
        self._promoted = False
        self._pull: Pull | None = None
        self.latency = round(stream.latency * sample_rate)

    def _returned(self) -> None:
        self._promoted = False

    def _callback(self, outdata: Float32, frames: int, times: Any, status: Any) -> None:
        assert self._pull is not None  # set before the stream starts
        if not self._promoted:
            self._promoted = promote(AUDIO) or True
        self._kept.touch()
        if self._kept.replaced:
            outdata.fill(0.0)
            return
        lost = int(bool(status))
        due = _stamp(times, times.outputBufferDacTime)
        while self._ring.available < frames:
            self._pull(self._block, lost, due + self._ring.available / self._rate)
            lost = 0
            sound = self._resampler.process(self._block.T)
            self._ring.write(match_channels(sound, self._channels))
        self._ring.read(outdata.T)
        if self._silent():
            outdata.fill(0.0)

    def run(self, pull: Pull, stop: threading.Event) -> None:
        """Play until ``stop``; see `Clock.run`."""
        self._pull = pull
        self._kept.start()
        keep_time(self._kept, lambda due: pull(self._block, 0, due), self._period_s, stop)

    def close(self) -> None:
        """Close the stream."""
        self._kept.close()


def _stamp(times: Any, stamp: float) -> float:
    """Return one of PortAudio's time stamps by `time.monotonic`; now, where it gives none.

    The moment of the callback would not do: a server's blocks and ours don't match, and what
    waits on either side for one of ours to be full swings by a whole block, over seconds.
    """
    ahead: float = stamp - times.currentTime if stamp else 0.0
    return time.monotonic() + ahead
