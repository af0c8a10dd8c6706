"""Whole-window models of magnitudes, whose windows may be of any length: offline and live."""

import numpy as np
import pytest

from streamsep.errors import BackendError
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.mirrored_end import MIRRORED_FRAMES, mirror_end, mirrored_frames
from streamsep.separation.schedule import (
    NEARLY_LIVE_S,
    RunSchedule,
    choose_prior_stride,
    choose_schedule,
)
from streamsep.separation.sliding import SlidingSeparator
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast

HOP = 1024
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4 * HOP) / (4 * HOP))


@pytest.fixture
def path(tmp_path):
    return models.magnitude_mask(tmp_path / "soft.onnx")


def expected_vocals(mixture: np.ndarray) -> np.ndarray:
    """The batch transform there and back in float64, each bin times m / (m + 1)."""
    size = 4 * HOP
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    count = mixture.shape[-1] // HOP + 4
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (size - HOP, size)))
    out, weight = np.zeros_like(padded), np.zeros(padded.shape[-1])
    for q in range(count):
        part = slice(q * HOP, q * HOP + size)
        if part.stop > padded.shape[-1]:
            break
        spectrum = np.fft.rfft(padded[:, part] * window)
        magnitude = np.abs(spectrum)
        out[:, part] += np.fft.irfft(spectrum * magnitude / (magnitude + 1)) * window
        weight[part] += window**2
    out /= np.maximum(weight, 1e-9)
    return out[:, size - HOP : size - HOP + mixture.shape[-1]]


@pytest.mark.parametrize("options", one_fast([{"offline": True}, {}, {"read_ahead": True}]))
def test_all_ways_of_running_it_compute_the_same(path, options):
    mixture = music(14.0)  # more than two windows of 512 frames
    separator = load_separator(path, device="cpu", **options)
    chunked = ChunkedSeparator(separator)
    stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    # float32 transforms; this graph looks at each bin alone, so that windows make no difference.
    np.testing.assert_allclose(stems[0], expected_vocals(mixture), atol=2e-5)


def test_chunks_of_any_size_come_out_the_same(path):
    mixture, rng = music(7.0), np.random.default_rng(0)
    outputs = []
    for sizes in (iter(lambda: 300_000, None), iter(lambda: int(rng.integers(1, 60_000)), None)):
        chunked = ChunkedSeparator(load_separator(path, device="cpu", offline=True))
        parts, start = [], 0
        while start < mixture.shape[-1]:
            size = next(sizes)
            parts.append(chunked.feed(mixture[:, start : start + size]))
            start += size
        outputs.append(np.concatenate([*parts, chunked.finish()], axis=-1))
    np.testing.assert_array_equal(*outputs)


def test_offline_windows_lie_an_odd_number_of_frames_apart(path):
    separator = load_separator(path, device="cpu", offline=True)
    assert separator.block_size // HOP % 2 == 1


@pytest.mark.parametrize("run_ms", [1, 10, 20, 30])
def test_nearly_live_is_within_three_tenths_of_a_second(path, run_ms):
    spec = load_separator(path, device="cpu", stride_blocks=1).spec
    schedule = choose_schedule(spec, run_ms / 1000)
    assert schedule.latency <= NEARLY_LIVE_S * spec.sample_rate < 0.3 * spec.sample_rate
    assert run_ms / 1000 <= 0.45 * schedule.stride_frames * HOP / 44_100  # of a core
    assert schedule.trim_frames >= 1


def test_a_slower_machine_is_later_before_it_is_too_slow(path):
    spec = load_separator(path, device="cpu", stride_blocks=1).spec
    later = [choose_schedule(spec, run_s) for run_s in (0.04, 0.1, 0.3)]
    assert [schedule.trim_frames for schedule in later] == [1, 1, 1]
    assert NEARLY_LIVE_S < later[0].latency / spec.sample_rate < later[1].latency / 44_100
    room = spec.frames_per_run - mirrored_frames(spec)
    longest_s = 0.4 * (room - 1) * HOP / spec.sample_rate  # of a core, once a window
    slowest = choose_schedule(spec, 0.99 * longest_s)
    assert slowest.stride_frames == room - 1
    SlidingSeparator(OnnxBackend(path, device="cpu"), schedule=slowest)  # which has room for it
    with pytest.raises(BackendError, match=r"2\.0 times too slow"):
        choose_schedule(spec, 2 * longest_s)


def test_read_ahead_has_no_latency_to_save(path):
    spec = load_separator(path, device="cpu", stride_blocks=1).spec
    assert choose_schedule(spec.batched(2), 0.1, read_ahead=True).trim_frames == 16


@pytest.mark.parametrize(
    ("run_ms", "on_gpu", "stride"),
    [
        (5, False, 2),
        (12, False, 4),
        (20, False, 4),
        (30, False, 8),
        (50, False, 0),
        (2, True, 1),
        (2, False, 2),
    ],
)
def test_a_prior_runs_as_often_as_the_machine_can(path, run_ms, on_gpu, stride):
    spec = load_separator(path, device="cpu", stride_blocks=1).spec
    assert choose_prior_stride(spec, run_ms / 1000, on_gpu=on_gpu) == stride


def test_what_has_not_come_yet_is_a_mirror_of_what_has():
    features = np.zeros((2, 3, 64), np.float32)
    heard = 64 - MIRRORED_FRAMES
    features[..., :heard] = np.arange(heard)
    mirror_end(features, heard)
    np.testing.assert_array_equal(features[1, 2, heard:], heard - 2 - np.arange(MIRRORED_FRAMES))


@pytest.mark.parametrize("trim", [0, 3])
def test_nearly_live_the_newest_frame_lies_before_its_mirror(path, trim):
    backend = OnnxBackend(path, device="cpu")
    separator = SlidingSeparator(backend, schedule=RunSchedule(0.0, 4, trim, 0, 44_100, 0))
    sound, out = music(1.0), np.zeros((2, 2, 4 * HOP), np.float32)
    for start in range(0, 40 * HOP, 4 * HOP):
        separator.process(np.ascontiguousarray(sound[:, start : start + 4 * HOP]), out)
    check_end(backend.features, abs(np.fft.rfft(sound[0, 36 * HOP : 40 * HOP] * HANN)))


def check_end(features, newest):
    """Say whether left's newest frame is where it should be, and what follows goes back."""
    heard = features.shape[-1] - MIRRORED_FRAMES
    np.testing.assert_allclose(features[0, :, heard - 1], newest, rtol=1e-3, atol=1e-3)
    back = features[..., heard - 2 : heard - 2 - MIRRORED_FRAMES : -1]
    np.testing.assert_array_equal(features[..., heard:], back)
    assert np.abs(features[..., heard]).max() > 0.1
