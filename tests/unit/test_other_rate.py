"""Devices that come back at another rate, and what a conversion holds back."""

from types import SimpleNamespace

import numpy as np
import pytest

from streamsep.audio.devices import microphone, portaudio
from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.dsp.resample import StreamResampler
from streamsep.events import EventLog

RATE, OTHER, BLOCK = 44_100, 48_000, 512
DEVICE = DeviceInfo(0, "system", "JACK Audio Connection Kit", 2, 2, RATE, True, True)


def tone(rate, seconds=1.0):
    return 0.5 * np.sin(2 * np.pi * 441 * np.arange(int(rate * seconds)) / rate)


def frequency(sound, rate):
    return np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound))))) * rate / len(sound)


class Opened:
    """Stands for what is opened: it keeps no time, and returns when it is told to."""

    def __init__(self):
        self.stream = SimpleNamespace(samplerate=RATE, latency=0.0, channels=2)
        self.state = self.replaced = self.gone = False
        self.silences = self.losses = SimpleNamespace(add=lambda *_, **__: None, now_s=0.0)
        self.events = EventLog()

    def open(self, device, kind, rate, *, returned, **options):
        self.returned = returned
        return self

    def heartbeat(self):
        pass

    def come_back(self, rate):
        self.stream = SimpleNamespace(samplerate=rate, latency=0.0, channels=2)
        self.returned()


@pytest.fixture
def opened(monkeypatch):
    stream = Opened()
    for module in (portaudio, microphone):
        monkeypatch.setattr(module, "open_reconnecting", stream.open)
        monkeypatch.setattr(module, "promote", lambda role: True)
    return stream


def blocks(sound):
    """Blocks of a device, as (frames, 2)."""
    stereo = np.stack([sound, sound], axis=1).astype(np.float32)
    return [stereo[at : at + BLOCK] for at in range(0, len(stereo) - BLOCK, BLOCK)]


NO_STAMPS = SimpleNamespace(currentTime=0.0, inputBufferAdcTime=0.0, outputBufferDacTime=0.0)


@pytest.mark.parametrize("rate", [RATE, OTHER])
def test_an_input_is_converted_from_the_rate_it_came_back_at(opened, rate):
    source = portaudio.DeviceInput(DEVICE, sample_rate=RATE, channels=2, device_frames=BLOCK)
    opened.come_back(rate)
    heard, out = [], np.zeros((BLOCK, 2), np.float32)
    for block in blocks(tone(rate, 2.0)):
        source._callback(block, BLOCK, NO_STAMPS, None)
        if source.ready() and source._buffer.available >= BLOCK:
            source.read(out)
            heard.append(out[:, 0].copy())
    sound = np.concatenate(heard)[RATE // 4 :][:RATE]
    assert frequency(sound, RATE) == pytest.approx(441, abs=1)


@pytest.mark.parametrize("rate", [RATE, OTHER])
def test_an_output_is_converted_to_the_rate_it_came_back_at(opened, rate):
    sink = portaudio.DeviceOutput(DEVICE, sample_rate=RATE, channels=2, device_frames=BLOCK)
    given = iter(blocks(tone(RATE, 2.0)))
    sink._render = lambda out, lost, due=None: out.__setitem__(slice(None), next(given))
    sink._clock.call = lambda length_s: True
    opened.come_back(rate)
    heard = []
    for _ in range(int(1.5 * rate) // BLOCK):
        out = np.zeros((BLOCK, 2), np.float32)
        sink._callback(out, BLOCK, NO_STAMPS, None)
        heard.append(out[:, 0])
    sound = np.concatenate(heard)[rate // 4 :][:rate]
    assert frequency(sound, rate) == pytest.approx(441, abs=1)


@pytest.mark.parametrize("rate", [RATE, OTHER])
def test_a_voice_is_converted_from_the_rate_its_microphone_came_back_at(opened, rate):
    stream = microphone.MicrophoneStream(DEVICE, sample_rate=RATE, device_frames=BLOCK)
    heard = []
    microphone.DeviceMicrophone(
        stream,
        sample_rate=RATE,
        channels=2,
        effect=lambda sound: heard.append(sound[0].copy()) or sound,
    )
    opened.come_back(rate)
    for block in blocks(tone(rate, 2.0)):
        stream._callback(block, BLOCK, None, None)
    sound = np.concatenate(heard)[RATE // 4 :][:RATE]
    assert frequency(sound, RATE) == pytest.approx(441, abs=1)


def test_what_a_conversion_holds_is_told():
    resampler = StreamResampler(RATE, OTHER, 1)
    came = went = 0
    for _ in range(20):
        went += resampler.process(np.zeros((1, BLOCK), np.float32)).shape[1]
        came += BLOCK
        assert resampler.held_s == pytest.approx(came / RATE - went / OTHER, abs=1e-12)
    assert 0.0 < resampler.held_s < 0.05
    plain = StreamResampler(RATE, RATE, 1)
    plain.process(np.zeros((1, BLOCK), np.float32))
    assert plain.held_s == 0.0
