"""The microphone's buffer: little delay, no holes, no clicks, whatever device and clocks do."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.microphone import DeviceMicrophone, MicrophoneStream
from streamsep.audio.devices.microphone_buffer import MicrophoneBuffer

RATE, BLOCK = 44_100, 512
TONE_HZ = 200.0
MOST = MicrophoneBuffer.MOST_S * RATE


def tone(positions):
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * positions / RATE).astype(np.float32)[None]


def run(buffer, seconds, *, burst=128, ppm=0.0, late=lambda index: 0):
    """Write a tone in bursts, read blocks; ``late(index)`` holds a block's bursts back.

    Returns what was read, (N,), what each read said it lost, and what was left after it.
    """
    heard, losses, left = [], [], []
    written = 0
    for index in range(round(seconds * RATE / BLOCK)):
        due = (index + 1) * BLOCK * (1 + ppm * 1e-6) + 4 * burst - late(index)
        while written + burst <= due:
            buffer.write(tone(np.arange(written, written + burst)))
            written += burst
        out = np.ones((1, BLOCK), np.float32)
        losses.append(buffer.read(out))
        left.append(buffer._ring.available)
        heard.append(out[0])
    return np.concatenate(heard), np.array(losses), np.array(left)


@pytest.mark.parametrize("burst", [64, 256, 512, 2_048])
def test_what_waits_for_nothing_is_ten_milliseconds_at_most(burst):
    """It finds out how the device's bursts come, and then nothing is lost any more."""
    heard, losses, left = run(MicrophoneBuffer((1,), RATE, BLOCK), 12.0, burst=burst)
    settled = slice(8 * RATE // BLOCK, None)
    assert not losses[settled].any()
    assert left[settled].min() <= MOST
    steps = np.abs(np.diff(heard[8 * RATE :]))
    assert steps.max() < 0.5 * 2 * np.pi * TONE_HZ / RATE * 1.01  # the tone's own
    assert np.abs(heard[8 * RATE :]).max() > 0.49


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [-200, 200])
def test_drifting_clocks_neither_add_delay_nor_holes(ppm):
    buffer = MicrophoneBuffer((1,), RATE, BLOCK)
    heard, losses, left = run(buffer, 180.0, ppm=ppm)
    settled = slice(4 * RATE // BLOCK, None)
    assert not losses[settled].any()
    least = left[settled].reshape(-1)[: len(left[settled]) // 86 * 86].reshape(-1, 86).min(axis=1)
    assert least.max() <= MOST
    assert least.min() >= 0
    assert len(set(least)) > 1  # the drift was there
    # A jump fades over a block between two places of the tone, at most its own slope and 1/512
    # of the way between them.
    steps = np.abs(np.diff(heard[4 * RATE :]))
    assert steps.max() < 0.5 * 2 * np.pi * TONE_HZ / RATE + 1.0 / BLOCK


def test_a_stall_is_silence_and_then_the_voice_is_back():
    buffer = MicrophoneBuffer((1,), RATE, BLOCK)
    stalled = range(200, 260)

    def late(index):
        return 10**9 if index in stalled else 0

    heard, losses, left = run(buffer, 12.0, late=late)
    assert losses[210:260].all()
    assert not heard[210 * BLOCK : 260 * BLOCK].any()
    # What came while nobody could have heard it is skipped within seconds.
    assert not losses[-200:].any()
    assert left[-90:].min() <= MOST
    assert np.abs(heard[-RATE:]).max() > 0.49


def test_what_comes_at_once_after_a_stall_is_skipped_within_two_seconds():
    """Nobody sings along with a voice that is a second late."""
    buffer = MicrophoneBuffer((1,), RATE, BLOCK)
    second = RATE // BLOCK
    run(buffer, 3.0)
    buffer.write(tone(np.arange(RATE)))
    _, losses, left = run(buffer, 3.0)
    assert left[: second // 2].min() > RATE // 2  # it was late
    assert left[2 * second :].min() <= MOST
    assert not losses.any()


def test_before_the_first_sound_nothing_is_lost():
    out = np.ones((1, BLOCK), np.float32)
    assert MicrophoneBuffer((1,), RATE, BLOCK).read(out) == 0
    assert not out.any()


DEVICE = DeviceInfo(0, "mic", "ALSA", 1, 0, RATE, True, False)


class Stream:
    """Stands for PortAudio's: 128 samples a block, at the session's rate."""

    samplerate, latency, channels = RATE, 0.005, 1

    def start(self):
        pass


@pytest.fixture
def stream(monkeypatch):
    kept = SimpleNamespace(stream=Stream(), heartbeat=lambda: None)
    monkeypatch.setattr(
        "streamsep.audio.devices.microphone.open_reconnecting", lambda *args, **options: kept
    )


def open_stream():
    return MicrophoneStream(DEVICE, sample_rate=RATE, device_frames=BLOCK)


def test_what_an_effect_holds_back_is_latency(stream):
    sizes = dict(sample_rate=RATE, channels=2)
    plain, late = (
        DeviceMicrophone(open_stream(), **sizes, effect_delay=delay) for delay in (0, 64)
    )
    assert late.latency == plain.latency + 64


def test_a_broken_effect_is_silence_on_this_path(stream):
    def effect(sound):
        raise RuntimeError("the plugin is gone")

    microphone = DeviceMicrophone(open_stream(), sample_rate=RATE, channels=2, effect=effect)

    def device():
        for _ in range(20):
            microphone.stream._callback(np.ones((128, 1), np.float32), 128, None, None)

    thread = threading.Thread(target=device)  # it is promoted, which tests mustn't be
    thread.start()
    thread.join()
    out = np.ones((BLOCK, 2), np.float32)
    microphone.read(out)
    assert not out.any()
    assert str(microphone.fault) == "the plugin is gone"
