"""A network that answers every hop beside one that is asked now and then."""

import threading

import numpy as np
import pytest

from streamsep.errors import BackendError, ModelError
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.two_speed import MaskPrior, TwoSpeedSeparator
from testing.signals import music
from tests.support import models

HOP = 1024


@pytest.fixture
def paths(tmp_path):
    prior = models.magnitude_mask(tmp_path / "slow.onnx")
    return models.follower(tmp_path / "quick.onnx", "slow"), prior


def vocals_of(separator, mixture, sizes):
    chunked, parts, start = ChunkedSeparator(separator), [], 0
    while start < mixture.shape[-1]:
        size = next(sizes)
        parts.append(chunked.feed(mixture[:, start : start + size]))
        start += size
    stems = np.concatenate([*parts, chunked.finish()], axis=-1)
    np.testing.assert_allclose(stems.sum(axis=0), mixture, atol=1e-6)  # one sum of float32
    return stems[0]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_with_the_schedule_fixed_block_sizes_make_no_difference(paths, stride):
    mixture, rng = music(3.0), np.random.default_rng(0)
    outputs = []
    for sizes in (iter(lambda: HOP, None), iter(lambda: int(rng.integers(1, 5000)), None)):
        prior = MaskPrior(OnnxBackend(paths[1], device="cpu"), stride, wait=True)
        separator = TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), prior)
        outputs.append(vocals_of(separator, mixture, sizes))
    np.testing.assert_array_equal(*outputs)


def expected_masks(mixture: np.ndarray, hops: int) -> np.ndarray:
    """Masks of the prior's newest frame at each hop, for the follower's bins; no code of ours."""
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (3 * HOP, 0)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4 * HOP) / (4 * HOP))
    frames = np.stack([padded[:, q * HOP : q * HOP + 4 * HOP] for q in range(hops)])
    magnitude = np.abs(np.fft.rfft(frames * window))
    mask = magnitude / (magnitude + 1)
    low, middle, high = mask[..., 1:-3:2], mask[..., 2:-2:2], mask[..., 3:-1:2]
    inner = (low + 2 * middle + high) / 4
    return np.concatenate([mask[..., :1], inner, mask[..., -1:]], axis=-1)


@pytest.mark.parametrize("stride", [2, 4])
def test_a_mask_is_used_from_the_hop_after_its_run_began(paths, stride):
    mixture, hops = music(1.0), 40
    prior = MaskPrior(OnnxBackend(paths[1], device="cpu"), stride, wait=True)
    masks, lowest = expected_masks(mixture, hops), 1 / (1 + np.exp(4.0))
    for hop in range(hops):
        prior.hear(np.ascontiguousarray(mixture[:, hop * HOP : (hop + 1) * HOP]))
        if hop == 0:
            assert not prior.planes.any()  # nothing is known yet
            continue
        known = masks[(hop - 1) // stride * stride].clip(lowest, 1 - lowest)
        # float32 transforms of 4096 points, and a logarithm of what they give.
        np.testing.assert_allclose(prior.planes, np.log(known / (1 - known)) / 4, atol=2e-3)


def test_a_late_prior_changes_what_is_heard_and_neither_sums_nor_latency(paths):
    gate = threading.Event()

    class LateBackend(OnnxBackend):
        def run(self, stream=0):
            gate.wait(30.0)
            super().run(stream)

    prior = MaskPrior(LateBackend(paths[1], device="cpu"), 2, wait=False)
    late = TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), prior)
    without = TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), None)
    assert late.delay == without.delay == HOP
    mixture = music(2.0)
    out, alone = (np.zeros((2, 2, HOP), np.float32) for _ in range(2))
    delayed = np.pad(mixture, ((0, 0), (HOP, 0)))
    for hop in range(40):
        part = slice(hop * HOP, (hop + 1) * HOP)
        block = np.ascontiguousarray(mixture[:, part])
        late.process(block, out)
        without.process(block, alone)
        np.testing.assert_allclose(out.sum(axis=0), delayed[:, part], atol=1e-6)
        if hop < 20:  # nothing has come: it is as if there were none
            np.testing.assert_array_equal(out, alone)
        if hop == 20:
            gate.set()
            prior._under_way.result(30.0)
    assert np.abs(out - alone).max() > 0.01


def test_a_prior_that_fails_says_so_where_the_sound_is_made(paths):
    class BrokenBackend(OnnxBackend):
        def run(self, stream=0):
            raise BackendError("the model failed", expected="a run", remedy="another model")

    prior = MaskPrior(BrokenBackend(paths[1], device="cpu"), 2, wait=True)
    separator = TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), prior)
    block, out = np.zeros((2, HOP), np.float32), np.zeros((2, 2, HOP), np.float32)
    separator.process(block, out)
    with pytest.raises(BackendError, match="the model failed"):
        separator.process(block, out)


def test_reset_forgets_the_prior_too(paths):
    separator = load_separator(paths[0], device="cpu", offline=True)
    sound = np.ascontiguousarray(music(1.0)[:, :HOP])
    first, again = (np.zeros((2, 2, HOP), np.float32) for _ in range(2))
    separator.process(sound, first)
    for _ in range(5):
        separator.process(sound, again)
    separator.reset()
    separator.process(sound, again)
    np.testing.assert_array_equal(again, first)


def test_the_machine_decides_how_often_and_no_file_means_never(paths):
    assert load_separator(paths[0], device="cpu").prior is not None  # a trivial graph
    assert load_separator(paths[0], device="cpu", prior_stride=0).prior is None
    paths[1].unlink()
    assert load_separator(paths[0], device="cpu").prior is None
    with pytest.raises(ModelError, match=r"slow\.onnx"):
        load_separator(paths[0], device="cpu", prior_stride=2)


def test_a_prior_of_another_rate_is_refused(tmp_path):
    models.magnitude_mask(tmp_path / "slow.onnx", sample_rate=48_000)
    path = models.follower(tmp_path / "quick.onnx", "slow")
    with pytest.raises(ModelError, match="slow"):
        load_separator(path, device="cpu", prior_stride=2)
