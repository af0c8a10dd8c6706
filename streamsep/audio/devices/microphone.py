"""Microphones: streams of their own and small buffers, for voices that want to hear themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.microphone_buffer import MicrophoneBuffer
from streamsep.audio.devices.open_stream import open_reconnecting
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.sanitize import count_bad, sound_alone
from streamsep.dsp.voice_channel import AUTO, VoiceChannel, channel_number
from streamsep.errors import DeviceError
from streamsep.events import EventLog
from streamsep.priority import AUDIO, promote
from streamsep.types import Float32

Effect = Callable[[Float32], Float32]  # (C, N) to (C, N)
# (C, N) of a device to (C, N) of the session; None once it is broken.
Voice = Callable[[Float32], Float32 | None]


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


def _channels_of(device: DeviceInfo, channels: Sequence[str]) -> int:
    """Return how many channels of a device are to be opened for some of them.

    Raises
    ------
    DeviceError
        If it hasn't got one of these.
    """
    numbers = [2]
    for channel in channels:
        number = channel_number(channel) or 0
        if number > device.inputs:
            raise DeviceError(
                f"microphone '{device.name}' has no channel {channel}",
                expected=f"1 to {device.inputs}",
                remedy="choose one of these",
                settings=("mic", "mic_channel"),
            )
        numbers.append(number)
    return min(device.inputs, max(numbers))


def role_name(index: int) -> str:
    """Return what a microphone is called, to the user and in the sound server."""
    return "microphone" if index == 0 else f"microphone {index + 1}"


class MicrophoneStream:
    """A device's stream, opened once for all voices on it.

    Parameters
    ----------
    device
        From `streamsep.audio.devices.device_list.find_device`.
    channels
        Which of its channels are listened to; see `VoiceChannel`.
    sample_rate
        Of the session.
    device_frames
        Samples per read of a voice.
    events
        Where it is noted that the device has gone or come back.
    role
        What it is called there, and in the sound server.
    silent
        Asked whether to give silence: where it would hear what is played.

    Attributes
    ----------
    listeners
        Who gets what comes, (C, N) at the device's rate; to be filled before it is started.
    returns
        Called when its device has come back, which may be at another rate.
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
        channels: Sequence[str] = (AUTO,),
        *,
        sample_rate: int,
        device_frames: int,
        events: EventLog | None = None,
        role: str = "microphone",
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._silent = silent
        self._session_rate, self._device_frames = sample_rate, device_frames
        self._device_stream = open_reconnecting(
            device,
            role,
            sample_rate,
            events=events or EventLog(),
            returned=self._returned,
            channels=_channels_of(device, channels),
            blocksize=MicrophoneBuffer.best_burst(sample_rate, device_frames),
            latency="low",
            callback=self._callback,
        )
        stream = self._device_stream.stream
        self.sample_rate, self.channels = int(stream.samplerate), stream.channels
        self.latency_s: float = stream.latency
        self.listeners: list[Callable[[Float32], None]] = []
        self._voices: list[Voice] = []
        self._lost = 0
        self.returns: list[Callable[[], None]] = []
        self._promoted = self._started = False
        self.bad_samples = 0

    @property
    def in_use(self) -> str:
        """The device, as the user should know it."""
        return self._device_stream.in_use

    def add_voice(self, voice: Voice, channels: int) -> int:
        """Have a voice of so many channels wait in the buffer; return its number, for `read`.

        To be called before it is started. All voices of a device are in one buffer, so that they
        jump together: in buffers of their own two singers would come to be apart.
        """
        self._voices.append(voice)
        shape = (len(self._voices), channels)
        self._buffer = MicrophoneBuffer(shape, self._session_rate, self._device_frames)
        self._block = np.zeros((*shape, self._device_frames), np.float32)
        self._taken = np.ones(len(self._voices), np.bool_)  # which of them have had the block
        return len(self._voices) - 1

    @property
    def added(self) -> int:
        """Samples of delay that voices wait in the buffer."""
        return self._buffer.added

    def read(self, number: int, out: Float32) -> int:
        """Fill (n, C) with the next block of a voice; see `MicrophoneSource.read`."""
        if self._taken[number]:
            self._lost = self._buffer.read(self._block)
            self._taken.fill(False)
        self._taken[number] = True
        np.copyto(out, self._block[number].T)
        return self._lost

    def start(self) -> None:
        """Start it, for the first of its voices."""
        if not self._started:
            self._started = True
            self._device_stream.start()

    def close(self) -> None:
        """Close it; may be called again."""
        self._device_stream.close()

    def _returned(self) -> None:
        self._promoted = False
        self.sample_rate = int(self._device_stream.stream.samplerate)
        for fit in self.returns:
            fit()

    def _callback(self, indata: Float32, frames: int, time: object, status: Any) -> None:
        if not self._promoted:
            self._promoted = True
            promote(AUDIO)
        self._device_stream.heartbeat()
        self.bad_samples += count_bad(indata)
        sound = sound_alone(indata.T)
        if self._silent():
            sound = np.zeros_like(sound)
        for listener in self.listeners:
            listener(sound)
        if self._voices:
            self._buffer.write(self._heard(sound))

    def _heard(self, sound: Float32) -> Float32:
        """Return what each voice makes of it, (V, C, N); silence of one that is broken."""
        made = [voice(sound) for voice in self._voices]
        longest = max((each.shape[-1] for each in made if each is not None), default=0)
        heard = np.zeros((*self._block.shape[:2], longest), np.float32)
        for each, place in zip(made, heard, strict=True):
            if each is not None:
                place[:] = each
        return heard


class DeviceMicrophone:
    """A microphone on a device: mono, with effects on the device's own thread.

    Whatever happens here is silence on this path: the thread that plays the beat only ever
    takes what is in the buffer.

    Parameters
    ----------
    stream
        Of its device; other voices may be on it.
    sample_rate, channels
        Of the session; the voice is copied to all channels before its effects.
    effect, effect_delay
        Applied to all that comes, and the samples that it holds back.
    channel
        Which of the device's it is on; see `VoiceChannel`.

    Attributes
    ----------
    fault
        What the effect broke with, if it did.
    """

    def __init__(
        self,
        stream: MicrophoneStream,
        *,
        sample_rate: int,
        channels: int,
        effect: Effect | None = None,
        effect_delay: int = 0,
        channel: str = AUTO,
    ) -> None:
        self._channels, self._effect = channels, effect
        self.stream = stream
        self._sample_rate, self._channel = sample_rate, channel
        self._fit()
        self._given = round(stream.latency_s * sample_rate) + effect_delay
        self.fault: Exception | None = None
        self._number = stream.add_voice(self._hear, channels)
        stream.returns.append(self._fit)

    def _fit(self) -> None:
        """Convert from the rate that the device's stream has."""
        stream = self.stream
        self._voice = VoiceChannel(stream.channels, stream.sample_rate, self._channel)
        # soxr's better filters hold sound back for up to 18 ms; for a voice the quick one will do.
        self._resampler = StreamResampler(stream.sample_rate, self._sample_rate, 1, quality="QQ")

    @property
    def latency(self) -> int:
        """The device's own, the effect's and what the buffer adds, in samples."""
        return self._given + self.stream.added

    @property
    def in_use(self) -> str:
        """The device, as the user should know it."""
        return self.stream.in_use

    def start(self) -> None:
        """Start the stream."""
        self.stream.start()

    def _hear(self, sound: Float32) -> Float32 | None:
        if self.fault is not None:
            return None
        try:
            sound = self._resampler.process(self._voice.process(sound))
            sound = match_channels(sound, self._channels)
            heard = sound if self._effect is None else self._effect(sound)
            if heard.shape != sound.shape:
                raise ValueError(f"an effect made {heard.shape} of {sound.shape}")
        except Exception as error:  # silence from now on; the main thread tells
            self.fault = error
            return None
        return heard

    def read(self, out: Float32) -> int:
        """Fill (n, C); see `MicrophoneSource.read`."""
        return self.stream.read(self._number, out)

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()
