"""Sound devices: one input stream and one output stream, never a duplex one.

Through PulseAudio's ALSA plug-in a duplex stream silently repeats and skips blocks; two streams
with a small ring between them don't, on any system.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from streamsep.audio.devices.device_clock import DeviceClock
from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.audio.devices.lost_time import SilentRuns
from streamsep.audio.devices.open_stream import open_reconnecting
from streamsep.audio.devices.sound_server import on_pipewire
from streamsep.audio.endpoint import RenderCallback
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import count_bad, sound_alone
from streamsep.errors import StreamsepError
from streamsep.events import EventLog
from streamsep.priority import AUDIO, promote
from streamsep.types import Float32


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
        self._sample_rate, self._period_s = sample_rate, device_frames / sample_rate
        self._device_stream = open_reconnecting(
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
        self._stamped = not _stamps_mislead(device)
        self._fit()
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

    def _fit(self) -> None:
        """Convert from the rate that the stream has."""
        stream = self._device_stream.stream
        self._rate = int(stream.samplerate)
        self._resampler = StreamResampler(self._rate, self._sample_rate, stream.channels)

    def _returned(self) -> None:
        self._promoted = False
        self._fit()
        self._buffer.restart(round(self._device_stream.stream.latency * self._sample_rate))

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
        if newest is not None:
            newest -= self._resampler.held_s
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
        self._block = np.zeros((device_frames, channels), np.float32)
        self._sample_rate, self._channels = sample_rate, stream.channels
        self._fit()
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

    def _fit(self) -> None:
        """Convert to the rate that the stream has."""
        self._rate = int(self._device_stream.stream.samplerate)
        self._resampler = StreamResampler(self._sample_rate, self._rate, self._block.shape[1])
        self._ring = RingBuffer((self._channels,), 4 * self._rate)

    def _returned(self) -> None:
        self._promoted = False
        self._fit()

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
            waiting_s = self._ring.available / self._rate + self._resampler.held_s
            self._render(self._block, lost, due + waiting_s)
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
