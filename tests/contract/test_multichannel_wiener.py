"""Stems told apart by where they come from, behind their masks."""

import numpy as np
import pytest

from streamsep.errors import ModelError
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.multichannel_wiener import (
    DIFFUSE,
    LEARNT_FRAMES,
    MEMORY_S,
    Directions,
    MultichannelWienerFilter,
    SelfSteeredFilter,
    SpatialCovariance,
)
from streamsep.separation.overlapped import OverlappedSeparator
from streamsep.separation.sliding import SlidingSeparator
from streamsep.separation.two_speed import MaskPrior, TwoSpeedSeparator
from testing.signals import music
from tests.support import models
from tests.support.separators import first_stem

BINS, HOP_S = 33, 1024 / 44_100
RNG = np.random.default_rng


def spectra(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def panned(rng, frames, left, right):
    """One source, (T, 2, B), as loud as its place says."""
    mono = spectra(rng, frames, BINS) * rng.exponential(1.0, (frames, BINS)).astype(np.float32)
    return np.stack([left * mono, right * mono], axis=1)


def error_db(estimate, stem):
    return 10 * np.log10((np.abs(estimate - stem) ** 2).sum() / (np.abs(stem) ** 2).sum())


def covariances(directions):
    """The two matrices of each bin, (2, B, 2, 2)."""
    power, cross = directions.power.astype(np.float64), directions.cross.astype(np.complex128)
    rows = [np.stack([power[:, 0], cross], -1), np.stack([cross.conj(), power[:, 1]], -1)]
    return np.stack(rows, -2)


def test_it_is_the_wiener_filter_of_the_textbook():
    rng = RNG(0)
    mixture, mask = spectra(rng, 2, BINS), rng.random((2, BINS)).astype(np.float32)
    covariance = SpatialCovariance(BINS, HOP_S)
    for _ in range(9):
        covariance.update(spectra(rng, 2, BINS), rng.random((2, BINS)).astype(np.float32))
    filters = MultichannelWienerFilter(BINS)
    directions = Directions.unknown(BINS)
    covariance.directions(directions)
    filters.steer(directions)
    out = np.zeros((2, BINS), np.complex64)
    filters.apply(mixture, mask, out)

    power = np.abs(mixture.astype(np.complex128)) ** 2
    levels = np.stack([(mask * power).sum(0), ((1 - mask) * power).sum(0)])
    own, rest = levels[..., None, None] * covariances(directions)
    x = mixture.T[..., None].astype(np.complex128)
    expected = (own @ np.linalg.solve(own + rest, x))[..., 0].T
    expected *= np.minimum(1, np.abs(mixture) / np.abs(expected))
    np.testing.assert_allclose(out, expected, atol=1e-5)  # float32, and a matrix of condition 200


def test_covariances_are_means_over_what_is_sure_and_forget():
    rng = RNG(1)
    frames, masks = spectra(rng, 40, 2, BINS), rng.random((40, 2, BINS)).astype(np.float32)
    covariance, out = SpatialCovariance(BINS, HOP_S), Directions.unknown(BINS)
    for frame, mask in zip(frames, masks, strict=True):
        covariance.update(frame, mask)
    covariance.directions(out)
    weights = np.exp(-np.arange(39, -1, -1) * HOP_S / MEMORY_S)[:, None, None]
    for index, shares in enumerate((masks, 1 - masks)):
        heard = shares.astype(np.float64) ** 2 * frames
        power = (weights * np.abs(heard) ** 2).sum(0)
        cross = (weights[:, 0] * heard[:, 0] * heard[:, 1].conj()).sum(0)
        mean = power.mean(0)
        np.testing.assert_allclose(out.power[index], power / mean + DIFFUSE, rtol=1e-4)
        np.testing.assert_allclose(out.cross[index], cross / mean, atol=1e-4)


def test_for_a_transform_half_as_long_neighbours_count_half():
    rng = RNG(2)
    covariance, half = SpatialCovariance(BINS, HOP_S), Directions.unknown(BINS // 2 + 1)
    left, right = np.zeros((2, BINS), np.complex64), np.ones((2, BINS), np.float32)
    left[0, 9] = 2.0  # between the bins 4 and 5 of the half
    left[1, 10] = 1.0
    covariance.update(left, right)
    covariance.directions(half)
    # Bin 4 hears the left alone; bin 5 half of its power and all of the right's.
    np.testing.assert_allclose(half.power[0][:, 4] - DIFFUSE, [2, 0], atol=1e-5)
    np.testing.assert_allclose(half.power[0][:, 5] - DIFFUSE, [4 / 3, 2 / 3], atol=1e-5)
    covariance.update(spectra(rng, 2, BINS), right)  # and real sound doesn't break it
    covariance.directions(half)
    assert np.isfinite(half.power).all()


@pytest.mark.parametrize("places", [((1.0, 0.2), (0.3, 1.0)), ((1.0, 1.0), (1.0, -1.0))])
def test_sources_from_two_places_are_told_apart_better_than_by_masks(places):
    rng, frames = RNG(3), 400
    stem, rest = (panned(rng, frames, *place) for place in places)
    mixture = stem + rest
    energy, other = np.abs(stem) ** 2, np.abs(rest) ** 2
    masks = (energy / (energy + other + 1e-9)).astype(np.float32)
    out = np.zeros_like(mixture)
    steered = SelfSteeredFilter(BINS, HOP_S)
    for start in range(0, frames, 100):
        run = slice(start, start + 100)
        steered.learn(mixture[run], masks[run])
        steered.apply(mixture[run], masks[run], out[run])
    # Two places and two channels: all but what is diffuse could be undone.
    # With the true directions all could be undone; those that are learnt hold some of both.
    assert error_db(out[100:], stem[100:]) < error_db((masks * mixture)[100:], stem[100:]) - 2


def test_alike_in_both_channels_it_is_the_mask():
    rng = RNG(4)
    mono, mask = spectra(rng, 64, 1, BINS), rng.random((64, 1, BINS)).astype(np.float32)
    mixture, masks = np.repeat(mono, 2, axis=1), np.repeat(mask, 2, axis=1)
    out = np.zeros_like(mixture)
    steered = SelfSteeredFilter(BINS, HOP_S)
    steered.learn(mixture, masks)
    steered.apply(mixture, masks, out)
    np.testing.assert_allclose(out, masks * mixture, atol=1e-4)


def test_no_channel_is_louder_than_the_mixture_and_silence_stays():
    rng = RNG(5)
    steered = SelfSteeredFilter(BINS, HOP_S)
    loud = spectra(rng, 50, 2, BINS) * 100
    masks = rng.random((50, 2, BINS)).astype(np.float32).round()
    out = np.ones_like(loud)
    steered.learn(loud, masks)
    odd = panned(rng, 50, 1.0, 1.0) + 1e-3 * spectra(rng, 50, 2, BINS)  # another place
    steered.learn(odd, masks)
    steered.apply(odd, masks, out)
    assert (np.abs(out) <= np.abs(odd) * (1 + 1e-5)).all()
    steered.learn(np.zeros_like(odd), masks)
    steered.apply(np.zeros_like(odd), masks, out)
    assert not out.any()


def windows(path, kind, wiener=True):
    models.magnitude_mask(path, multichannel_wiener=wiener)
    backend = OnnxBackend(path, device="cpu")
    return kind(backend)


@pytest.mark.parametrize("kind", [SlidingSeparator, OverlappedSeparator])
def test_block_sizes_make_no_difference_and_a_second_time_is_as_the_first(tmp_path, kind):
    mixture, rng = music(2.0), RNG(6)
    separator = windows(tmp_path / "a.onnx", kind)
    first = first_stem(separator, mixture, iter(lambda: 1024, None))
    separator.reset()
    again = first_stem(separator, mixture, iter(lambda: int(rng.integers(1, 5000)), None))
    np.testing.assert_array_equal(first, again)
    plain = first_stem(windows(tmp_path / "b.onnx", kind, False), mixture, iter(lambda: 1024, None))
    assert np.abs(first - plain).max() > 1e-3


def test_a_live_model_takes_its_prior_s_directions(tmp_path):
    mixture = music(3.0)
    prior_path = models.magnitude_mask(tmp_path / "slow.onnx", multichannel_wiener=True)
    outputs = {}
    for wiener in (True, False):
        path = models.follower(tmp_path / f"q{wiener}.onnx", "slow", multichannel_wiener=wiener)
        prior = MaskPrior(OnnxBackend(prior_path, device="cpu"), 2, wait=True, directions=wiener)
        separator = TwoSpeedSeparator(OnnxBackend(path, device="cpu"), prior)
        outputs[wiener] = first_stem(separator, mixture, iter(lambda: 1024, None))
        if wiener:
            known, goes_by = prior.directions, separator._filter
    assert np.abs(outputs[True] - outputs[False]).max() > 1e-3
    np.testing.assert_allclose(known.power.sum(axis=1), 2 + 2 * DIFFUSE, atol=1e-3)
    bins = known.cross.shape[-1]
    rng, made = RNG(3), np.zeros((3, 2, bins), np.complex64)
    frame, mask = spectra(rng, 2, bins), rng.random((2, bins)).astype(np.float32)
    told, untold = MultichannelWienerFilter(bins), MultichannelWienerFilter(bins)
    told.steer(known)
    for filters, out in zip((goes_by, told, untold), made, strict=True):
        filters.apply(frame, mask, out)
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 0.01


def test_a_spec_says_it_only_where_there_are_directions_and_whole_windows(tmp_path):
    models.magnitude_mask(tmp_path / "a.onnx", multichannel_wiener=True)
    for wrong in (dict(channels=1), dict(multichannel_wiener=1)):
        with pytest.raises(ModelError, match="multichannel_wiener"):
            models.magnitude_mask(tmp_path / "b.onnx", **{"multichannel_wiener": True} | wrong)
    with pytest.raises(ModelError, match="with a prior"):
        models.follower(tmp_path / "c.onnx", "", multichannel_wiener=True)


def test_frames_are_learnt_from_now_and_then():
    rng, learnt = RNG(7), []
    steered = SelfSteeredFilter(BINS, HOP_S)
    steered._covariance.update = lambda spectrum, mask: learnt.append(spectrum)
    frames = spectra(rng, 3 * LEARNT_FRAMES, 2, BINS)
    steered.learn(frames, np.ones(frames.shape, np.float32))
    np.testing.assert_array_equal(learnt, frames[::LEARNT_FRAMES])
