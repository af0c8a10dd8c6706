"""The two real-time threads: no array is allocated after warm-up, nobody is woken for nothing."""

import threading
import tracemalloc

import numpy as np
import pytest

from streamsep.models import BUILTIN, find_model
from streamsep.realtime import Session
from streamsep.realtime.spectrum import Spectrum
from streamsep.realtime.worker import Worker
from streamsep.separation import load_separator
from tests.support import models
from tests.support.backends import SlowBackend
from tests.support.signals import music

FRAMES = 4_096
# Views, numbers and argument tuples of Python are freed within a step, and come to 3 kB on both
# threads together. The smallest array of sound here, a hop of one channel, is larger.
MOST_BYTES = 1_024 * 4
# Counters beyond Python's ready-made small numbers.
GROWTH_BYTES = 1_024
WARM_UP, BLOCKS = 10, 40


@pytest.mark.parametrize("name", BUILTIN)
def test_no_array_is_allocated_after_warm_up(name):
    """Through faders, bypass, missed blocks and a tap, on the audio and the worker thread."""
    gate = threading.Event()
    gate.set()
    session = Session(SlowBackend.separator(find_model(name), gate.wait), device_frames=FRAMES)
    session.add_tap("mix", Spectrum(44_100, 2, FRAMES))
    sound = np.ascontiguousarray(music(1.0)[:, : 4 * FRAMES].T).reshape(4, FRAMES, 2)
    out, peaks = np.zeros((FRAMES, 2), np.float32), np.zeros(WARM_UP + BLOCKS, int)
    with session:
        for index in range(WARM_UP + BLOCKS):
            if index == WARM_UP:
                tracemalloc.start()
                session.process_block(sound[0], out, 0)  # what tracing itself keeps
                session.wait_idle()
                begun = tracemalloc.get_traced_memory()[0]
            session.set_gain("guide", -index % 7)
            session.set_bypass(index % 10 == 3)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            if index % 10 == 6:
                gate.clear()
                for part in sound:
                    session.process_block(part, out, 0)
                gate.set()
            session.process_block(sound[index % 4], out, 0)
            session.wait_idle()
            peaks[index] = tracemalloc.get_traced_memory()[1] - before
        grown = tracemalloc.get_traced_memory()[0] - begun
        tracemalloc.stop()
        session.check()
        assert session.snapshot().dropouts > 0
    assert peaks[WARM_UP:].max() < MOST_BYTES, peaks[WARM_UP:]
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
    wakes, wake = [], Worker.wake
    monkeypatch.setattr(Worker, "wake", lambda worker: (wakes.append(1), wake(worker)))
    session, silence = Session(separator, device_frames=256), np.zeros((256, 2), np.float32)
    with session:
        for _ in range(40):
            session.process_block(silence, silence.copy(), 0)
            session.wait_idle()
        assert len(wakes) == 40 * 256 // separator.block_size
