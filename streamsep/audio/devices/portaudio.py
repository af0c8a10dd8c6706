"""Sound devices through PortAudio: one input stream and one output stream, never a duplex one.

Through PulseAudio's ALSA plug-in a duplex stream silently repeats and skips blocks; two streams
with a small ring between them don't, on any system.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from streamsep.audio.devices.device_clock import DeviceClock
from streamsep.audio.devices.device_list import (
    DeviceInfo,
    list_devices,
    load_sounddevice,
    unset_first,
)
from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.audio.devices.lost_time import SilentRuns
from streamsep.audio.devices.reconnecting_stream import ReconnectingStream, note_stream
from streamsep.audio.devices.sound_server import (
    OWN_TOKEN,
    STREAM_ROLE,
    STREAM_TOKEN,
    ServerGoneError,
    SoundServer,
    on_pipewire,
)
from streamsep.audio.devices.stream_watch import server_target
from streamsep.audio.endpoint import RenderCallback
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import count_bad, sound_alone
from streamsep.errors import DeviceError, StreamsepError
from streamsep.events import EventLog
from streamsep.priority import AUDIO, promote
from streamsep.types import Float32

# Devices that ask PULSE_SINK and PULSE_SOURCE which of the sound server's they are.
BY_ENVIRONMENT = ("pulse", "default")


_AIMING = threading.Lock()


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
    with _AIMING:
        users = os.environ.get("PULSE_PROP")
        aim["PULSE_PROP"] = " ".join([users, *properties] if users else properties)
        if "PIPEWIRE_PROPS" not in os.environ:  # of its own plug-in
            aim["PIPEWIRE_PROPS"] = f"{{ {' '.join(properties)} }}"
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


def _open(stream_class: Any, device: DeviceInfo, kind: str, rate: int, **options: Any) -> Any:
    """Open a stream at ``rate`` or, where the device can't, at its own default rate."""
    sd = load_sounddevice()
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


def open_reconnecting(
    stream_class: Any,
    device: DeviceInfo,
    kind: str,
    rate: int,
    *,
    events: EventLog,
    returned: Callable[[], None] = lambda: None,
    **options: Any,
) -> ReconnectingStream:
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

    stream = ReconnectingStream(
        load_sounddevice(), opening, f"{kind} '{device.name}'", events, returned
    )
    stream.behind = server_target(device, "sink" if kind == "output" else "source")
    return stream


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
    silent
        Asked whether to give silence: where it would hear what is played.

    Attributes
    ----------
    bad_samples
        How many came that were NaN, Inf or absurdly loud, and were silenced.
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
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._silent = silent
        self.fault: StreamsepError | None = None
        self.bad_samples = 0
        self._channels, self._frames = channels, device_frames
        self._period_s = device_frames / sample_rate
        self._device_stream = open_reconnecting(
            load_sounddevice().InputStream,
            device,
            "input",
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=min(device.inputs, channels),
            blocksize=device_frames,
            callback=self._callback,
        )
        stream = self._device_stream.stream
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
        self._render: RenderCallback | None = None
        self._outdata = np.zeros((device_frames, channels), np.float32)
        self._clock = DeviceClock(self._device_stream, self._period_s, float(stream.latency))
        self._silent_runs = SilentRuns(self._device_stream.silences)
        self.latency = self._buffer.latency

    @property
    def in_use(self) -> str:
        """The device, as the user should know it."""
        return self._device_stream.in_use

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
        self._device_stream.start()

    def _returned(self) -> None:
        self._promoted = False
        self._buffer.restart()

    def _callback(self, indata: Float32, frames: int, times: Any, status: Any) -> None:
        if not self._promoted:
            self._promoted = promote(AUDIO) or True
        if status:
            self._buffer.lost()
        newest = None
        if self._stamped:
            newest = _stamp(times, times.inputBufferAdcTime) + frames / self._rate
        self.bad_samples += count_bad(indata)
        sound = sound_alone(indata.T)
        if self._silent():
            sound = np.zeros_like(sound)
        sound = self._resampler.process(sound)
        self._buffer.write(match_channels(sound, self._channels), newest)
        if self._render is None:
            self._device_stream.heartbeat()  # another device is the clock
        elif self._clock.call(frames / self._rate):
            while self._buffer.available >= self._frames:
                self._render(self._outdata, 0)

    def ready(self) -> bool:
        """Wait for the first blocks, so that later bursts find a filled buffer."""
        return self._buffer.ready()

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C); see `Source.read`."""
        lost = self._buffer.read(out, due)
        if self._device_stream.gone or due == -math.inf:
            self._silent_runs.end()  # of these is told elsewhere
        else:
            self._silent_runs.read(self._period_s, silent=not out.any(), lost=lost > 0)
        return lost

    def run(self, render: RenderCallback, stop: threading.Event) -> None:
        """Be the clock: every device block asks for one; see `Sink.run`."""
        self._buffer.be_read_as_it_comes()
        self._clock.tick = lambda due: render(self._outdata, 0, due)
        self._render = render
        self._clock.run(stop)

    def close(self) -> None:
        """Close the stream."""
        self._silent_runs.end()
        self._device_stream.close()


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
        self._device_stream = open_reconnecting(
            load_sounddevice().OutputStream,
            device,
            "output",
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=min(device.outputs, max(channels, 1)),
            blocksize=device_frames,
            callback=self._callback,
        )
        stream = self._device_stream.stream
        self._rate, self._channels = int(stream.samplerate), stream.channels
        self._resampler = StreamResampler(sample_rate, self._rate, channels)
        self._block = np.zeros((device_frames, channels), np.float32)
        self._ring = RingBuffer((self._channels,), 4 * self._rate)
        self._clock = DeviceClock(
            self._device_stream, device_frames / sample_rate, float(stream.latency)
        )
        self._promoted = False
        self._render: RenderCallback | None = None
        self.latency = round(stream.latency * sample_rate)

    @property
    def in_use(self) -> str:
        """The device, as the user should know it."""
        return self._device_stream.in_use

    def _returned(self) -> None:
        self._promoted = False

    def _callback(self, outdata: Float32, frames: int, times: Any, status: Any) -> None:
        assert self._render is not None  # set before the stream starts
        if not self._promoted:
            self._promoted = promote(AUDIO) or True
        if not self._clock.call(frames / self._rate):
            outdata.fill(0.0)
            return
        lost = int(bool(status))
        due = _stamp(times, times.outputBufferDacTime)
        while self._ring.available < frames:
            self._render(self._block, lost, due + self._ring.available / self._rate)
            lost = 0
            sound = self._resampler.process(self._block.T)
            self._ring.write(match_channels(sound, self._channels))
        self._ring.read(outdata.T)
        if self._silent():
            outdata.fill(0.0)

    def run(self, render: RenderCallback, stop: threading.Event) -> None:
        """Play until ``stop``; see `Sink.run`."""
        self._render = render
        self._clock.tick = lambda due: render(self._block, 0, due)
        self._device_stream.start()
        self._clock.run(stop)

    def close(self) -> None:
        """Close the stream."""
        self._device_stream.close()


def _stamp(times: Any, stamp: float) -> float:
    """Return one of PortAudio's time stamps by `time.monotonic`; now, where it gives none.

    The moment of the callback would not do: a server's blocks and ours don't match, and what
    waits on either side for one of ours to be full swings by a whole block, over seconds.
    """
    ahead: float = stamp - times.currentTime if stamp else 0.0
    return time.monotonic() + ahead
