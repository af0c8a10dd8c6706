"""The two real-time threads: no array is allocated after warm-up, nobody is woken for nothing."""

import gc
import threading
import tracemalloc
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.audio.devices.microphone_buffer import MicrophoneBuffer
from streamsep.audio.files.recorder import Recorder
from streamsep.models import BUILTIN, find_model
from streamsep.realtime import Session
from streamsep.realtime.inference_thread import InferenceThread
from streamsep.realtime.spectrum import Spectrum
from streamsep.separation import load_separator
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend

pytestmark = pytest.mark.slow  # as a whole

RATE, FRAMES = 44_100, 4_096
# Views, numbers and argument tuples of Python are freed within a step, and come to 3 kB on both
# threads together. The smallest array of sound here, a hop of one channel, is larger.
MOST_BYTES = 1_024 * 4
# Counters beyond Python's ready-made small numbers. One number more a block would be 1,120.
GROWTH_BYTES = 1_024
WARM_UP, BLOCKS = 10, 40


class Voice(MicrophoneBuffer):
    """A microphone's buffer; the test writes what the microphone's own thread would."""

    latency = 0

    def read(self, out):
        return super().read(out.T)


@pytest.fixture(params=["", "traced"])
def as_it_is_or_traced(request, monkeypatch):
    """The program as it is, and with the probes of tools/trace_live.py around its methods."""
    if not request.param:
        yield
        return
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "tools")
    with import_module("trace_live").probes(10_000):
        yield


def held_bytes():
    """What is allocated, without what Python keeps of small objects that are gone: more and more
    of it is of now, the more often threads take turns."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.usefixtures("as_it_is_or_traced")
@pytest.mark.parametrize("name", BUILTIN)
def test_no_array_is_allocated_after_warm_up(name, tmp_path, monkeypatch):
    """On the audio and the inference thread, whatever is in use.

    A device's buffer, microphone, faders, bypass, missed blocks, the screen's spectrum and a
    recording of stems and mix.
    """
    # tracemalloc sees all threads; what the recorders' own do waits until all is over.
    monkeypatch.setattr(Recorder, "POLL_S", 3_600.0)
    gate = threading.Event()
    gate.set()
    voice = Voice((2,), RATE, FRAMES)
    session = Session(
        SlowBackend.separator(find_model(name), gate.wait),
        device_frames=FRAMES,
        microphones=[voice],
    )
    session.add_tap("vocals", Spectrum(RATE, 2, FRAMES))
    recorders = [
        Recorder(tmp_path / f"{bus}.wav", RATE, 2, block_size=FRAMES)
        for bus in ("mix", "beat", "vocals", "mic")
    ]
    for recorder in recorders:
        session.add_tap(recorder.path.stem, recorder)
    device = JitterBuffer(2, FRAMES, sample_rate=RATE, buffered=FRAMES, two_clocks=True)
    sound = np.ascontiguousarray(music(1.0)[:, : 4 * FRAMES]).reshape(2, 4, FRAMES)
    parts = [np.ascontiguousarray(sound[:, index]) for index in range(4)]
    came, out = np.zeros((FRAMES, 2), np.float32), np.zeros((FRAMES, 2), np.float32)
    period_s, blocks = FRAMES / RATE, 0

    def step():
        nonlocal blocks
        blocks += 1
        now = blocks * period_s
        device.write(parts[blocks % 4], now)
        voice.write(parts[-blocks % 4])
        if device.ready():
            device.read(came, now)
        session.process_block(came, out, 0)

    peaks = np.zeros(WARM_UP + BLOCKS, int)
    with session:
        for index in range(WARM_UP + BLOCKS):
            if index == WARM_UP:
                tracemalloc.start()
                step()  # what tracing itself keeps
                session.wait_idle()
                begun = held_bytes()
            session.set_gain("guide", -index % 7)
            session.set_gain("mic", -index % 5)
            session.set_bypass(index % 10 == 3)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            if index % 10 == 6:
                gate.clear()
                for _ in range(4):
                    step()
                gate.set()
            step()
            session.wait_idle()
            peaks[index] = tracemalloc.get_traced_memory()[1] - before
        grown = held_bytes() - begun
        tracemalloc.stop()
        session.check()
        stats = session.snapshot()
    for recorder in recorders:
        recorder.close()
        assert recorder.written == blocks * FRAMES
    assert stats.dropouts > 0
    assert stats.level_mic_db > -20
    # The first is without what Python had kept, too.
    assert peaks[WARM_UP + 1 :].max() < MOST_BYTES, peaks[WARM_UP:]
    assert grown < GROWTH_BYTES


def test_the_measure_sees_one_array_of_a_hop():
    """Or the test above would prove nothing."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    np.zeros(1_024, np.float32)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak >= MOST_BYTES


def test_the_worker_wakes_once_for_each_block_of_its_own(tmp_path, monkeypatch):
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx"))
    wakes, wake = [], InferenceThread.wake
    monkeypatch.setattr(InferenceThread, "wake", lambda thread: (wakes.append(1), wake(thread)))
    session, silence = Session(separator, device_frames=256), np.zeros((256, 2), np.float32)
    with session:
        for _ in range(40):
            session.process_block(silence, silence.copy(), 0)
            session.wait_idle()
        assert len(wakes) == 40 * 256 // separator.block_size
