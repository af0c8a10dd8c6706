"""Graphs from sound to stems in a live session: pace, latency, memory."""

import threading
import tracemalloc

import numpy as np
import pytest

from streamsep.errors import BackendError
from streamsep.realtime import Session
from streamsep.separation import load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.schedule import choose_schedule
from streamsep.separation.waveform_engine import WaveformSeparator
from testing.sessions import play
from testing.signals import music
from tests.contract.test_waveform import imported
from tools import contract_graphs

RATE, WINDOW = 44_100, 16_384
# An array of a hop of one channel of the smallest model here; Python's own objects are smaller.
MOST_BYTES = 512 * 4


GRAPHS = {
    "long": {"samples": WINDOW, "stems": 1},
    "stemgen": {"samples": 2_560, "stems": 4, "ports": ("audio", "separated")},
}


@pytest.fixture
def long(tmp_path):
    return imported(contract_graphs.waveform(tmp_path / "long.onnx", **GRAPHS["long"]))


@pytest.fixture
def stemgen(tmp_path):
    return imported(contract_graphs.waveform(tmp_path / "hs.onnx", **GRAPHS["stemgen"]))


@pytest.mark.parametrize("frames", [64, 441, 512, 4_096])
@pytest.mark.parametrize("which", ["long", "stemgen"])
def test_reported_latency_is_measured_latency(which, frames, request):
    path = request.getfixturevalue(which)
    separator = WaveformSeparator.strided(OnnxBackend(path, device="cpu"), 1)
    # Each stem is all of the sound: one of them is heard.
    session = Session(separator, device_frames=frames, slack=512, gains={separator.stems[0]: 1.0})
    signal = np.zeros((2, 9_000), np.float32)
    signal[:, 777] = 1.0
    output = play(session, signal, frames)
    assert session.snapshot().dropouts == 0
    assert np.flatnonzero(np.abs(output[0]) > 0.5).tolist() == [777 + session.latency.session]
    assert session.latency.stft + session.latency.lookahead == separator.delay


@pytest.mark.parametrize(
    ("run_s", "stride", "trim"),
    # 1.5 runs fit into the stride; a quarter of it is trimmed. A hop is 23 ms.
    [(0.001, 1, 0), (0.060, 4, 1), (0.095, 7, 1)],
)
def test_long_windows_run_as_often_as_the_machine_can(long, run_s, stride, trim):
    spec = OnnxBackend(long, device="cpu").spec
    schedule = choose_schedule(spec, run_s)
    assert (schedule.stride_frames, schedule.trim_frames) == (stride, trim)
    separator = WaveformSeparator.live(OnnxBackend(long, device="cpu"), schedule)
    assert separator.block_size == stride * 1_024
    assert separator.delay == trim * 1_024 + 1_024
    assert separator.slack == schedule.slack
    assert schedule.latency == separator.block_size + separator.delay + separator.slack


def test_a_machine_that_is_too_slow_is_told_by_how_much(long, stemgen):
    for path, allowed_s in ((long, 7 * 1_024 / RATE / 1.5), (stemgen, 512 / RATE / 1.5)):
        spec = OnnxBackend(path, device="cpu").spec
        choose_schedule(spec, 0.99 * allowed_s)
        with pytest.raises(BackendError, match=r"2\.0 times too slow"):
            choose_schedule(spec, 2 * allowed_s)


def test_the_one_of_11_6_ms_runs_every_hop(stemgen):
    separator = load_separator(stemgen, device="cpu")
    assert (separator.block_size, separator.delay) == (512, 0)
    assert separator.schedule.stride_frames == 1
    assert separator.slack == separator.schedule.slack > 0


@pytest.mark.parametrize("normalise", ["none", "rms", "standard"])
@pytest.mark.parametrize("which", ["long", "stemgen"])
def test_no_array_is_allocated_after_warm_up(which, normalise, tmp_path):
    path = contract_graphs.waveform(tmp_path / "model.onnx", **GRAPHS[which])
    path = imported(path, normalise=normalise)
    separator = WaveformSeparator.strided(OnnxBackend(path, device="cpu"), 1)
    block = np.ascontiguousarray(music(separator.block_size / RATE))
    out = np.zeros((len(separator.stems), *block.shape), np.float32)
    for _ in range(10):
        separator.process(block, out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(5):
            separator.process(block, out)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES, peak


def test_another_thread_may_feed_it(stemgen):
    """onnxruntime's bindings are made here and run there, as a session does."""
    separator, sound = load_separator(stemgen, device="cpu", stride_blocks=1), music(512 / RATE)
    out = np.zeros((5, 2, 512), np.float32)
    thread = threading.Thread(target=separator.process, args=(sound, out))
    thread.start()
    thread.join()
    np.testing.assert_allclose(out[0], sound, atol=1e-6)
