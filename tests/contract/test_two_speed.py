"""A network that answers every hop beside one that is asked now and then."""

import threading

import numpy as np
import pytest

from streamsep.errors import BackendError, ModelError
from streamsep.separation import load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.two_speed import MaskPrior, TwoSpeedSeparator
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast
from tests.support.separators import first_stem

HOP = 1024


@pytest.fixture
def paths(tmp_path):
    prior = models.magnitude_mask(tmp_path / "slow.onnx")
    return models.follower(tmp_path / "quick.onnx", "slow"), prior


def two_speeds(paths, stride, **options):
    prior = MaskPrior(OnnxBackend(paths[1], device="cpu"), stride, **{"wait": True} | options)
    return TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), prior)


@pytest.mark.parametrize("stride", one_fast([1, 2, 4]))
@pytest.mark.parametrize("hop", one_fast([HOP, HOP // 4]))
def test_with_the_schedule_fixed_block_sizes_make_no_difference(tmp_path, paths, stride, hop):
    mixture, rng = music(3.0), np.random.default_rng(0)
    window = "sqrt_hann" if hop == HOP else "asymmetric"
    models.follower(paths[0], "slow", hop_length=hop, window=window, interleave=HOP // hop)
    outputs = [
        first_stem(two_speeds(paths, stride), mixture, sizes)
        for sizes in (iter(lambda: HOP, None), iter(lambda: int(rng.integers(1, 5000)), None))
    ]
    np.testing.assert_array_equal(*outputs)


def masks_of(mixture: np.ndarray, n_fft: int, window: np.ndarray, of) -> np.ndarray:
    """Soft masks of the frames that end with each hop, (hops, 2, bins); no code of ours."""
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (n_fft - HOP, 0)))
    starts = range(0, mixture.shape[-1], HOP)
    frames = np.stack([padded[:, start : start + n_fft] for start in starts])
    features = of(np.abs(np.fft.rfft(frames * window)))
    return features / (features + 1)


def logits_of(masks: np.ndarray, most: float) -> np.ndarray:
    least = 1 / (1 + np.exp(most))
    masks = masks.clip(least, 1 - least)
    return np.log(masks / (1 - masks))


@pytest.mark.parametrize("stride", [2, 4])
def test_masks_are_corrected_by_where_both_differed_on_the_frames_that_both_have_seen(
    paths, stride
):
    mixture, hops = music(1.0)[:, : 40 * HOP], 40
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4 * HOP) / (4 * HOP))
    slow = masks_of(mixture, 4 * HOP, hann, lambda x: x)
    inner = (slow[..., 1:-3:2] + 2 * slow[..., 2:-2:2] + slow[..., 3:-1:2]) / 4
    slow = np.concatenate([slow[..., :1], inner, slow[..., -1:]], axis=-1)
    own = masks_of(mixture, 2 * HOP, np.sqrt(hann[::2]), np.log1p)
    separator, out = two_speeds(paths, stride), np.zeros((2, 2, HOP), np.float32)
    for hop in range(hops):
        separator.process(np.ascontiguousarray(mixture[:, hop * HOP : (hop + 1) * HOP]), out)
        expected = own[hop]
        if hop:
            end = (hop - 1) // stride * stride + 1  # of the run that ended with the hop before
            both = slice(max(0, end - 12), end)
            differ = (logits_of(slow[both], 4) - logits_of(own[both], 4)).mean(axis=0)
            expected = 1 / (1 + np.exp(-(logits_of(own[hop], 8) + 0.7 * differ)))
        # float32 transforms, and logarithms of small numbers that they give.
        np.testing.assert_allclose(separator._estimate[0, ..., 0], expected, atol=2e-3)


@pytest.mark.parametrize("hop", [HOP, HOP // 4])
def test_steady_masks_move_towards_the_prior_s(tmp_path, hop):
    def logit(mask):
        return np.log(mask / (1 - mask))

    models.constant_mask(
        tmp_path / "slow.onnx", 0.6, n_fft=4 * HOP, window="hann", feature="magnitude",
        mode="sliding", frames_per_run=16,
    )  # fmt: skip
    window = "sqrt_hann" if hop == HOP else "asymmetric"
    quick = models.constant_mask(
        tmp_path / "quick.onnx", 0.3, hop_length=hop, window=window, prior="slow"
    )
    separator = two_speeds((quick, tmp_path / "slow.onnx"), 2)
    out = np.zeros((2, 2, hop), np.float32)
    sound = music(1.0)
    for start in range(0, 30 * HOP, hop):
        separator.process(np.ascontiguousarray(sound[:, start : start + hop]), out)
        mask = separator._estimate
        assert np.ptp(mask) < 1e-6
        if start < HOP:  # nothing has come
            np.testing.assert_allclose(mask, 0.3, atol=1e-6)
        else:
            expected = logit(0.3) + 0.7 * (logit(0.6) - logit(0.3))
            np.testing.assert_allclose(logit(mask), expected, atol=1e-4)


def test_a_late_prior_changes_what_is_heard_and_neither_sums_nor_latency(paths):
    gate = threading.Event()

    class LateBackend(OnnxBackend):
        def run(self, stream=0):
            gate.wait(30.0)
            super().run(stream)

    prior = MaskPrior(LateBackend(paths[1], device="cpu"), 2, wait=False)
    late = TwoSpeedSeparator(OnnxBackend(paths[0], device="cpu"), prior)
    without = load_separator(paths[0], device="cpu", prior_stride=0)
    assert late.delay == without.delay == HOP
    mixture = music(2.0)
    out, alone = (np.zeros((2, 2, HOP), np.float32) for _ in range(2))
    delayed = np.pad(mixture, ((0, 0), (HOP, 0)))
    apart = 0.0
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
        apart = max(apart, np.abs(out - alone).max())
    assert apart > 0.01


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
    def with_prior(**options):
        return isinstance(load_separator(paths[0], device="cpu", **options), TwoSpeedSeparator)

    assert with_prior()  # a trivial graph
    assert not with_prior(prior_stride=0)
    paths[1].unlink()
    assert not with_prior()
    assert not with_prior(offline=True)
    with pytest.raises(ModelError, match=r"slow\.onnx"):
        with_prior(prior_stride=2)


def test_a_prior_of_another_rate_is_refused(tmp_path):
    models.magnitude_mask(tmp_path / "slow.onnx", sample_rate=48_000)
    path = models.follower(tmp_path / "quick.onnx", "slow")
    with pytest.raises(ModelError, match="slow"):
        load_separator(path, device="cpu", prior_stride=2)
