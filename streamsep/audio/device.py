"""Sound devices through PortAudio: one input stream and one output stream, never a duplex one.

Through PulseAudio's ALSA plug-in a duplex stream silently repeats and skips blocks; two streams
with a small ring between them don't, on any system.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsep.audio.endpoint import Pull
from streamsep.audio.file import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.errors import DeviceError, StreamsepError
from streamsep.priority import AUDIO, promote

Float32 = NDArray[np.float32]

DEFAULT_NAMES = {"input": ("mic", "default"), "output": ("speakers", "default")}
WATCH_S = 0.05


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
        lambda d: name in DEFAULT_NAMES[kind]
        and (d.default_input if kind == "input" else d.default_output),
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


def _open(stream_class: Any, device: DeviceInfo, kind: str, rate: int, **options: Any) -> Any:
    """Open a stream at ``rate`` or, where the device can't, at its own default rate."""
    sd = portaudio()
    errors = []
    for candidate in dict.fromkeys((rate, device.sample_rate)):
        try:
            return stream_class(
                device=device.index, samplerate=candidate, dtype="float32", **options
            )
        except (sd.PortAudioError, ValueError) as error:
            errors.append(f"{candidate} Hz: {error}")
    raise DeviceError(
        f"{kind} device '{device.name}' can't be opened ({'; '.join(errors)})",
        expected="a device that is free and takes float samples",
        remedy="close what uses it, or choose another with 'streamsep devices'",
    )


class DeviceInput:
    """An input device as a source and, where nothing is played, as the clock too.

    Parameters
    ----------
    device
        From `find_device`.
    sample_rate, channels
        Of the model; the device's own are converted.
    device_frames
        Samples per block, at the model's rate.
    """

    # Sound servers hand over up to a whole buffer at once, and none before: the ring starts with
    # as much, and these blocks more, before anything is read from it.
    HEAD_START_BLOCKS = 2
    LEVEL_S = 1.0

    def __init__(
        self, device: DeviceInfo, *, sample_rate: int, channels: int, device_frames: int
    ) -> None:
        sd = portaudio()
        self.fault: StreamsepError | None = None
        self._device, self._channels, self._frames = device, channels, device_frames
        self._stream = _open(
            sd.InputStream, device, "input", sample_rate,
            channels=min(device.inputs, channels), blocksize=device_frames,
            callback=self._callback,
        )  # fmt: skip
        self._resampler = StreamResampler(
            int(self._stream.samplerate), sample_rate, self._stream.channels
        )
        self._ring = RingBuffer((channels,), max(4 * sample_rate, 16 * device_frames))
        buffered: int = round(self._stream.latency * sample_rate)
        self._head_start = buffered + self.HEAD_START_BLOCKS * device_frames
        self._reading = False
        self._too_full = self._head_start + buffered
        self._level_reads = max(1, round(self.LEVEL_S * sample_rate / device_frames))
        self._reads = 0
        self._lowest = self._ring.capacity  # level of the ring, over LEVEL_S
        self._lost = 0
        self._pull: Pull | None = None
        self._outdata = np.zeros((device_frames, channels), np.float32)
        # Reading begins that far from the newest sample, however much the device has buffered;
        # the newest has waited for its block to be full.
        self.latency = self._head_start + device_frames

    @property
    def finished(self) -> bool:
        """A device never ends by itself."""
        return False

    def start(self) -> None:
        """Start the stream."""
        self._stream.start()

    def _callback(self, indata: Float32, frames: int, time: object, status: Any) -> None:
        if not self._ring.write_position:
            promote(AUDIO)
        self._lost += bool(status)
        sound = self._resampler.process(indata.T)
        self._ring.write(match_channels(sound, self._channels))
        if self._pull is not None:
            while self._ring.available >= self._frames:
                self._pull(self._outdata, 0)

    def ready(self) -> bool:
        """Wait for the first blocks, so that later bursts find a filled ring."""
        return self._reading or self._go_to_head_start()

    def _go_to_head_start(self) -> bool:
        """Begin at the usual distance from the newest sample, once there are that many."""
        if self._ring.available >= self._head_start:
            self._ring.advance(self._ring.available - self._head_start)
            self._reading = True
            self._reads, self._lowest = 0, self._ring.capacity
        return self._reading

    def read(self, out: Float32) -> int:
        """Fill (n, C); see `Source.read`.

        After samples were lost on either side the distance to the newest one would stay wrong:
        too small, and every burst is late from then on; too large, and the latency has grown.
        Silence while the ring fills anew, or a skip, puts it back.
        """
        lost, self._lost = self._lost, 0
        if not self._reading and not self._go_to_head_start():
            out.fill(0.0)
            return lost + 1
        if self._stays_too_full():
            self._go_to_head_start()
            lost += 1
        if not self._ring.read(out.T):
            out.fill(0.0)
            self._reading = False
            lost += 1
        return lost

    def _stays_too_full(self) -> bool:
        """Say whether for LEVEL_S a whole buffer more than the head start has been waiting."""
        if self._pull is not None:
            return False  # its own clock: read as it comes
        self._lowest = min(self._lowest, self._ring.available)
        self._reads += 1
        if self._reads < self._level_reads:
            return False
        too_full = self._lowest > self._too_full
        self._reads, self._lowest = 0, self._ring.capacity
        return too_full

    def run(self, pull: Pull, stop: threading.Event) -> None:
        """Be the clock: every device block asks for one; see `Clock.run`."""
        self._head_start = self._frames
        self._pull = pull
        watch(self._stream, self._device, stop)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class DeviceOutput:
    """An output device, the clock of all that is played on it.

    Parameters
    ----------
    device, sample_rate, channels, device_frames
        As for `DeviceInput`.
    """

    def __init__(
        self, device: DeviceInfo, *, sample_rate: int, channels: int, device_frames: int
    ) -> None:
        sd = portaudio()
        self._device = device
        self._stream = _open(
            sd.OutputStream, device, "output", sample_rate,
            channels=min(device.outputs, max(channels, 1)), blocksize=device_frames,
            callback=self._callback,
        )  # fmt: skip
        rate = int(self._stream.samplerate)
        self._resampler = StreamResampler(sample_rate, rate, channels)
        self._block = np.zeros((device_frames, channels), np.float32)
        self._ring = RingBuffer((self._stream.channels,), 4 * rate)
        self._pull: Pull | None = None
        self.latency = round(self._stream.latency * sample_rate)

    def _callback(self, outdata: Float32, frames: int, time: object, status: Any) -> None:
        assert self._pull is not None  # set before the stream starts
        if not self._ring.write_position:
            promote(AUDIO)
        lost = int(bool(status))
        while self._ring.available < frames:
            self._pull(self._block, lost)
            lost = 0
            sound = self._resampler.process(self._block.T)
            self._ring.write(match_channels(sound, self._stream.channels))
        self._ring.read(outdata.T)

    def run(self, pull: Pull, stop: threading.Event) -> None:
        """Play until ``stop``; see `Clock.run`."""
        self._pull = pull
        self._stream.start()
        watch(self._stream, self._device, stop)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def watch(stream: Any, device: DeviceInfo, stop: threading.Event) -> None:
    """Wait for ``stop`` while the stream runs.

    Raises
    ------
    DeviceError
        If the stream ends by itself.
    """
    while not stop.wait(WATCH_S):
        if not stream.active:
            raise DeviceError(
                f"device '{device.name}' stopped",
                expected="a device that stays connected",
                remedy="plug it in again and restart, or choose another with 'streamsep devices'",
            )
