"""The microphone: a stream of its own and a small buffer, for a voice that wants to hear itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from streamsep.audio.devices.device_list import DeviceInfo, load_sounddevice
from streamsep.audio.devices.portaudio import open_reconnecting
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import count_bad, sound_alone
from streamsep.dsp.voice_channel import AUTO, VoiceChannel, channel_number
from streamsep.errors import DeviceError
from streamsep.events import EventLog
from streamsep.priority import AUDIO, promote
from streamsep.types import Float32

Effect = Callable[[Float32], Float32]  # (C, N) to (C, N)


class MicrophoneSource(Protocol):
    """What a live run needs of a microphone."""

    @property
    def fault(self) -> Exception | None:
        """Why it gives silence, if something broke."""

    @property
    def latency(self) -> int:
        """Samples between the voice and `read`."""

    def start(self) -> None:
        """Begin to listen."""

    def read(self, out: Float32) -> int:
        """Fill (n, C), with silence where there is nothing; return how many samples were lost."""

    def close(self) -> None:
        """Release what is held."""


class MicrophoneBuffer:
    """Holds as little as the bursts of the device allow, and no more than MOST_S besides.

    Every second it looks at the least that was left over after a read. If that is so little that
    one block less would leave a hole, the reader jumps back, faded over a block; if it has been
    too much for PATIENCE such seconds, that was delay for nothing, and it jumps on: at once if it
    was BACKLOG_S, which no bursts leave but a device that stood still and then gave all it had.
    So the drift of two clocks is made up for as well: it shows as that one block more or less.

    Parameters
    ----------
    channels, sample_rate
        Of what is written and read.
    block_size
        Samples per read, n.

    Attributes
    ----------
    burst
        Samples that a device had best write at once.
    added
        Samples of delay that the bursts don't ask for, as last found.
    """

    MOST_S = 0.010
    LARGEST_BURST = 128
    LEVEL_S = 1.0
    BACKLOG_S = 0.1
    PATIENCE = 5  # a busy machine is late now and then, and a jump on would be taken back at once

    def __init__(self, channels: int, sample_rate: int, block_size: int) -> None:
        self._ring = RingBuffer((channels,), max(2 * sample_rate, 8 * block_size))
        most = int(self.MOST_S * sample_rate)
        self.burst = min(self.LARGEST_BURST, most // 3, block_size)
        self._least, self._most = self.burst, most - self.burst
        self._aim = (self._most + self._least) // 2
        self._backlog = int(self.BACKLOG_S * sample_rate)
        self._level_reads = max(2, round(self.LEVEL_S * sample_rate / block_size))
        self._rise = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        self._jumped = np.zeros((channels, block_size), np.float32)
        self._began = self._reading = False
        self._reads, self._lowest = 0, self._ring.capacity
        self._too_much: list[int] = []  # what was left in such seconds on end
        self._jump = 0
        self.added = self._aim

    def write(self, sound: Float32) -> None:
        """Append (C, N)."""
        self._ring.write(sound)

    def read(self, out: Float32) -> int:
        """Fill (n, C); silence, and 1 returned, where sound was there before and now isn't."""
        block = out.T
        if not self._reading and not self._begin(len(out)):
            out.fill(0.0)
            return int(self._began)
        jump, self._jump = self._jump, 0
        if not self._ring.read(block):
            out.fill(0.0)
            self._reading = False
            return 1
        if jump:
            self._ring.advance(jump - len(out))
            if not self._ring.read(self._jumped):
                self._ring.advance(len(out) - jump)  # as if nothing had been
            else:
                np.subtract(self._jumped, block, out=self._jumped)
                np.multiply(self._jumped, self._rise, out=self._jumped)
                np.add(block, self._jumped, out=block)
        self._watch_level()
        return 0

    def _begin(self, size: int) -> bool:
        """Start at the usual distance; after a hole with all there is, which it takes."""
        enough = size + self._aim
        if self._ring.available < enough:
            return False
        if not self._began or self._ring.overrun:
            self._ring.advance(self._ring.available - enough)
        self._began = self._reading = True
        self._reads, self._lowest = 0, self._ring.capacity
        return True

    def _watch_level(self) -> None:
        self._lowest = min(self._lowest, self._ring.available)
        self._reads += 1
        if self._reads < self._level_reads:
            return
        lowest, self._lowest, self._reads = self._lowest, self._ring.capacity, 0
        if lowest <= self._most:
            self._too_much.clear()
        else:
            self._too_much.append(lowest)
        if lowest < self._least:
            self._jump = lowest - self._aim
        elif len(self._too_much) == self.PATIENCE or lowest > self._backlog:
            self._jump = min(self._too_much) - self._aim
            self._too_much.clear()
        self.added = lowest - self._jump


def _channels_of(device: DeviceInfo, channel: str) -> int:
    """Return how many channels of a device are to be opened for one of them.

    Raises
    ------
    DeviceError
        If it hasn't got that one.
    """
    number = channel_number(channel)
    if number is not None and number > device.inputs:
        raise DeviceError(
            f"microphone '{device.name}' has no channel {channel}",
            expected=f"1 to {device.inputs}",
            remedy="choose one of these",
            settings=("mic_channel",),
        )
    return min(device.inputs, max(number or 0, 2))


class DeviceMicrophone:
    """A microphone on a device: mono, with effects on the device's own thread.

    Whatever happens here is silence on this path: the thread that plays the beat only ever
    takes what is in the buffer.

    Parameters
    ----------
    device
        From `streamsep.audio.devices.device_list.find_device`.
    sample_rate, channels
        Of the session; the voice is copied to all channels before its effects.
    device_frames
        Samples per `read`.
    effect, effect_delay
        Applied to all that comes, and the samples that it holds back.
    events
        Where it is noted that the device has gone or come back.
    silent
        Asked whether to give silence: where it would hear what is played.
    channel
        Which of the device's it is on; see `VoiceChannel`.

    Attributes
    ----------
    fault
        What the effect or the stream broke with, if it did.
    bad_samples
        How many came that were NaN, Inf or absurdly loud, and were silenced.

    Raises
    ------
    DeviceError
        If the device can't be opened.
    """

    def __init__(
        self,
        device: DeviceInfo,
        *,
        sample_rate: int,
        channels: int,
        device_frames: int,
        effect: Effect | None = None,
        effect_delay: int = 0,
        events: EventLog | None = None,
        silent: Callable[[], bool] = lambda: False,
        channel: str = AUTO,
    ) -> None:
        self._channels, self._effect = channels, effect
        self._silent = silent
        self._rate = sample_rate
        self._buffer = MicrophoneBuffer(channels, sample_rate, device_frames)
        self._device_stream = open_reconnecting(
            load_sounddevice().InputStream,
            device,
            "microphone",
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=_channels_of(device, channel),
            blocksize=self._buffer.burst,
            latency="low",
            callback=self._callback,
        )
        stream = self._device_stream.stream
        self._voice = VoiceChannel(stream.channels, int(stream.samplerate), channel)
        # soxr's better filters hold sound back for up to 18 ms; for a voice the quick one will do.
        self._resampler = StreamResampler(
            int(self._device_stream.stream.samplerate), sample_rate, 1, quality="QQ"
        )
        device_latency: int = round(self._device_stream.stream.latency * sample_rate)
        self._given = device_latency + effect_delay
        self._promoted = False
        self.fault: Exception | None = None
        self.bad_samples = 0

    @property
    def latency(self) -> int:
        """The device's own, the effect's and what the buffer adds, in samples."""
        return self._given + self._buffer.added

    @property
    def in_use(self) -> str:
        """The device, as the user should know it."""
        return self._device_stream.in_use

    def start(self) -> None:
        """Start the stream."""
        self._device_stream.start()

    def _returned(self) -> None:
        self._promoted = False

    def _callback(self, indata: Float32, frames: int, time: object, status: Any) -> None:
        if not self._promoted:
            self._promoted = True
            promote(AUDIO)
        self._device_stream.heartbeat()
        if self.fault is not None:
            return
        try:
            self.bad_samples += count_bad(indata)
            sound = sound_alone(indata.T)
            if self._silent():
                sound = np.zeros_like(sound)
            sound = self._resampler.process(self._voice.process(sound))
            sound = match_channels(sound, self._channels)
            self._buffer.write(sound if self._effect is None else self._effect(sound))
        except Exception as error:  # silence from now on; the main thread tells
            self.fault = error

    def read(self, out: Float32) -> int:
        """Fill (n, C); see `MicrophoneSource.read`."""
        return self._buffer.read(out)

    def close(self) -> None:
        """Close the stream."""
        self._device_stream.close()
