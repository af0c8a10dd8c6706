"""The live model: causal, the same step by step as at once, and the same again in ONNX."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from export.engine.metrics import count_parameters
from export.engine.torch_stft import make_window, stft
from export.recipes.live.features import planes
from export.recipes.live.graph import build_causal, causal_states
from export.recipes.live.loss import make_targets, separation_loss
from export.recipes.live.low_rank import (
    PRODUCTS,
    InputStatistics,
    input_statistics,
    nearest_of_rank,
    truncate_rank,
)
from export.recipes.live.network import (
    BANDS,
    BINS,
    CausalConfig,
    CausalUNet,
    bands_to_bins,
    bins_to_bands,
    to_masks,
)
from export.recipes.live.onnx_export import MAX_ERROR_INT8
from streamsep.separation import OnnxBackend
from streamsep.spec import ModelSpec

pytestmark = pytest.mark.slow  # as a whole

SMALL = CausalConfig(channels=(4, 6, 8, 8), recurrent_levels=(3,), hidden=10)

LATE = replace(SMALL, lookahead=2)


def make_network(config=SMALL):
    torch.manual_seed(0)
    network = CausalUNet(config).eval()
    with torch.no_grad():  # away from zero, or a forgotten bias would not show
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for module in network.band_recurrences.values():  # as made they add nothing
            module.out.weight.normal_(std=0.3)
        if network.fine is not None:
            network.fine.out.weight.normal_(std=0.3)
        for name, buffer in network.named_buffers():
            if name.endswith(("mean", "var")):
                buffer.add_(0.2 * torch.rand_like(buffer))
    return network


def make_low_rank(config, rank=None):
    network = make_network(config)
    alike = {
        name: InputStatistics.isotropic(network.get_parameter(name).shape[1]) for name in PRODUCTS
    }
    rank = rank or max(4, config.hidden // 3)
    network.load_state_dict(truncate_rank(network.state_dict(), rank, alike))
    return network


def make_features(frames, seed=1):
    """Four planes of log magnitudes, and two of what can be negative."""
    planes = 8 * torch.rand(1, 6, BINS + 1, frames, generator=torch.Generator().manual_seed(seed))
    planes[:, 4:] -= 4
    return planes


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, recurrent_levels=(1, 2, 4)),
        replace(SMALL, channels=(4, 4, 4)),
        replace(SMALL, lookahead=1),
        LATE,
    ],
)
@torch.no_grad()
def test_step_by_step_is_all_at_once(config):
    network, features = make_network(config), make_features(9)
    whole, states, parts = network(features), {}, []
    for start, stop in ((0, 1), (1, 2), (2, 6), (6, 9)):
        masks, states = network.step(features[..., start:stop], states)
        parts.append(masks)
    # Float32 sums in another order.
    torch.testing.assert_close(torch.cat(parts, -1), whole, atol=2e-6, rtol=0)


@torch.no_grad()
def test_nothing_looks_ahead():
    network, features = make_network(), make_features(8)
    changed = features.clone()
    changed[..., 5:] = make_features(3, seed=2)
    before, after = network(features), network(changed)
    torch.testing.assert_close(after[..., :5], before[..., :5], atol=0, rtol=0)
    assert (after[..., 5:] - before[..., 5:]).abs().max() > 1e-3


@torch.no_grad()
def test_late_masks_hear_as_far_ahead_as_they_are_late():
    network, features = make_network(LATE), make_features(9)
    changed = features.clone()
    changed[..., 6:] = make_features(3, seed=2)
    before, after = network.logits(features), network.logits(changed)
    assert before.shape[2] == 9 - 2
    moved = (after - before).abs().amax((0, 1, 3))
    assert not moved[:4].any()  # frame 3 hears frames to 5
    assert (moved[4:] > 1e-3).all()


@torch.no_grad()
def test_late_masks_are_of_the_frames_they_are_counted_as():
    """A click in frame 4 alone reaches the skip of frame 4's mask through its oldest tap."""
    network = make_network(LATE)
    for decoder in network.decoders:
        decoder.skip.weight[:, :, 1:] = 0
    network.decoders[0].up.weight.zero_()  # nothing but the topmost skip is left
    quiet, click = torch.zeros(1, 6, BINS + 1, 9), torch.zeros(1, 6, BINS + 1, 9)
    click[..., 4] = 3.0
    moved = (network.logits(click) - network.logits(quiet)).abs().amax((0, 1, 3))
    assert moved.argmax() == 4
    assert not moved[[0, 1, 2, 3, 5, 6]].any()


@torch.no_grad()
def test_the_past_is_remembered():
    network, features = make_network(), make_features(8)
    changed = features.clone()
    changed[..., 0] = 0
    assert (network(changed) - network(features))[..., 7].abs().max() > 1e-5


def test_the_shipped_size_is_within_its_bounds():
    """At most 4 M parameters and 16 MB: the live model's brief."""
    parameters = count_parameters(CausalUNet())
    assert 1.5e6 < parameters < 4e6
    assert 4 * parameters < 16e6


def make_spec(network):
    return ModelSpec(
        name="live",
        sample_rate=44_100,
        channels=2,
        stems=("vocals",),
        n_fft=2048,
        hop_length=1024,
        window="sqrt_hann",
        feature="log1p_magnitude_lrms_mid",
        feature_gain=100.0,
        output="mask",
        mode="stateful",
        frames_per_run=1,
        stride_frames=1,
        lookahead_frames=network.config.lookahead,
        any_frames=True,
        states=causal_states(network),
    )


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (make_network, SMALL),
        (make_network, CausalConfig()),
        (make_low_rank, CausalConfig()),
        (make_network, replace(SMALL, lookahead=1)),
        (make_network, LATE),
        (make_low_rank, LATE),
    ],
)
@pytest.mark.parametrize("frames", [1, 15])
@torch.no_grad()
def test_onnx_is_the_network_over_many_steps(make, config, frames, tmp_path):
    import onnx

    network, features = make(config), make_features(60)
    onnx.save(build_causal(network, make_spec(network)), tmp_path / "live.onnx")
    backend = OnnxBackend(tmp_path / "live.onnx", device="cpu", runs_at_once=frames)
    got = []
    for part in features[0].split(frames, -1):
        backend.features[...] = part.numpy()
        backend.run()
        got += [backend.estimate[0, ..., index].copy() for index in range(frames)]
    # Sigmoids of sums of up to a thousand float32 products, taken in another order.
    np.testing.assert_allclose(np.stack(got, -1), network(features)[0].numpy(), atol=5e-6)


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (make_network, SMALL),
        (make_network, CausalConfig()),
        (make_low_rank, CausalConfig()),
        (make_network, replace(SMALL, hidden=40)),
        (make_network, LATE),
    ],
)
@torch.no_grad()
def test_int8_is_close_and_the_same_for_one_frame_and_many(make, config, tmp_path):
    import onnx

    network, features = make(config), make_features(60)
    onnx.save(build_causal(network, make_spec(network), "int8"), tmp_path / "live.onnx")
    got = {}
    for frames in (1, 15):
        backend = OnnxBackend(tmp_path / "live.onnx", device="cpu", runs_at_once=frames)
        parts = []
        for part in features[0].split(frames, -1):
            backend.features[...] = part.numpy()
            backend.run()
            parts.append(backend.estimate[0].copy())
        got[frames] = np.concatenate(parts, -1)
    # Each row is rounded by itself: what is left is the order of sums. The invariant's bound.
    np.testing.assert_allclose(got[15], got[1], atol=1e-4)
    error = np.abs(got[1] - network(features)[0].numpy())
    assert 1e-6 < error.max() < MAX_ERROR_INT8


def test_int8_makes_the_file_three_quarters():
    network = make_network(CausalConfig())
    sizes = [build_causal(network, make_spec(network), p).ByteSize() for p in ("int8", "fp32")]
    assert sizes[0] < 0.78 * sizes[1]


def test_products_of_low_rank_are_two_small_ones():
    rank, config = 96, CausalConfig()
    whole, small = (
        build_causal(network, make_spec(network)).ByteSize()
        for network in (make_network(config), make_low_rank(config, rank))
    )
    bottleneck, hidden = config.bands(6) * config.channels[-1], config.hidden
    shapes = (bottleneck, 3 * hidden), (hidden, 3 * hidden), (hidden, bottleneck)
    saved = sum(inputs * outputs - rank * (inputs + outputs) for inputs, outputs in shapes)
    assert whole - small == pytest.approx(4 * saved, abs=1_000)  # and some nodes more


def test_the_nearest_matrix_of_a_rank():
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    near = nearest_of_rank(weight, 5, torch.eye(30))
    assert torch.linalg.matrix_rank(near, rtol=1e-5) == 5
    lost = torch.linalg.svdvals(weight)[5:].square().sum()
    torch.testing.assert_close((weight - near).square().sum(), lost)
    torch.testing.assert_close(nearest_of_rank(weight, 20, torch.eye(30)), weight)


@torch.no_grad()
def test_a_low_rank_loses_least_of_the_inputs_it_was_measured_on():
    network = make_network(CausalConfig())
    mixtures = [torch.randn(2, 2, BINS + 1, 40, dtype=torch.complex64) for _ in range(2)]
    expected = network.logits(planes(mixtures[0]))
    heard = input_statistics(network, mixtures)
    errors = []
    unheard = {name: InputStatistics.isotropic(len(inputs.mean)) for name, inputs in heard.items()}
    for inputs in (heard, unheard):
        small = make_network(CausalConfig())
        small.load_state_dict(truncate_rank(network.state_dict(), 24, inputs))
        errors.append((small.logits(planes(mixtures[0])) - expected).square().mean())
    assert errors[0] < errors[1] / 3, errors


def test_planes_are_left_right_mid_and_side_and_the_mid_itself():
    left, right = 3 + 4j, 1 - 2j
    spectrum = torch.tensor([left, right], dtype=torch.complex64)[None, :, None, None]
    expected = np.log1p(100 * np.abs([left, right, (left + right) / 2, (left - right) / 2]))
    expected = np.append(expected, [2, 1])
    torch.testing.assert_close(planes(spectrum).flatten(), torch.tensor(expected).float())


def test_bands_are_means_of_bins_and_bins_get_their_band_back():
    bins = torch.rand(3, BINS, generator=torch.Generator().manual_seed(1))
    bands = bins_to_bands(bins)
    assert bands.shape == (3, BANDS)
    torch.testing.assert_close(bands[:, 10], bins[:, 10])
    torch.testing.assert_close(bands[:, 300], bins[:, 344:346].mean(-1))
    torch.testing.assert_close(bands[:, -1], bins[:, -4:].mean(-1))
    torch.testing.assert_close(bins_to_bands(bands_to_bins(bands)), bands)


def make_spectra(truth, seed=3):
    """A mixture and what a mask by band takes from it: (batch, 2, 1025, frames) complex64."""
    generator = torch.Generator().manual_seed(seed)
    batch, frames = truth.shape[0], truth.shape[2]
    mixture = torch.randn(batch, 2, BINS + 1, frames, dtype=torch.complex64, generator=generator)
    mixture[:, :, -1] = 0  # Nyquist isn't the loss's business
    return mixture, mixture * scatter_all(truth)


def scatter_all(masks):
    return to_masks(torch.logit(masks))


def test_the_loss_is_the_distance_of_compressed_spectra():
    """The closed form of the module against its own words, on complex spectra."""
    mixture, stem = make_spectra(torch.rand(2, 2, 6, BANDS).clamp(0.1, 0.9))
    stem = stem + 0.3 * torch.randn_like(stem)
    stem[:, :, -1] = 0
    masks = torch.rand(2, 2, 6, BANDS).clamp(0.1, 0.9)
    got = separation_loss(torch.logit(masks), make_targets(mixture, stem))
    level = mixture[:, :, :BINS].abs().square().mean((1, 2, 3), keepdim=True).sqrt()
    mixture, stem = mixture[:, :, :BINS] / level, stem[:, :, :BINS] / level
    masks = scatter_all(masks)[:, :, :BINS]
    expected = torch.zeros(())
    for guess, truth in ((masks * mixture, stem), ((1 - masks) * mixture, mixture - stem)):
        magnitude = guess.abs().sqrt() - truth.abs().sqrt()
        whole = guess / guess.abs().sqrt() - truth / truth.abs().sqrt()
        expected = expected + magnitude.square().mean() + 0.5 * whole.abs().square().mean()
    error = (masks * mixture - stem).abs().square().mean((1, 2, 3))
    expected = expected + 0.02 * 10 * torch.log10(1 + error / 1e-3).mean()
    # Float32 means over 50,000 terms, taken in another order.
    assert got.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_loss_is_least_where_the_stem_is_right():
    truth = torch.rand(2, 2, 5, BANDS, generator=torch.Generator().manual_seed(4)).clamp(0.05, 0.9)
    mixture, stem = make_spectra(truth)
    targets = make_targets(mixture, stem)
    losses = [separation_loss(torch.logit(truth * s), targets) for s in (1.0, 0.9, 0.5)]
    assert losses[0] < losses[1] < losses[2]
    assert losses[0] == pytest.approx(0.0, abs=2e-3)
    # A song twenty decibels quieter counts the same.
    quiet = separation_loss(torch.logit(truth * 0.5), make_targets(0.1 * mixture, 0.1 * stem))
    assert quiet == pytest.approx(losses[2].item(), rel=1e-3)


def test_the_loss_has_a_finite_slope_in_silence():
    logits = torch.zeros(1, 2, 4, BANDS, requires_grad=True)
    silence = torch.zeros(1, 2, BINS + 1, 4, dtype=torch.complex64)
    separation_loss(logits, make_targets(silence, silence)).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("centre", [20, 21])
@torch.no_grad()
def test_the_fine_spectrum_tells_apart_what_lies_in_one_bin(centre):
    """A tone a quarter of a bin higher sounds loudest in the next part, in even and odd bins."""
    fine, loudest = CausalUNet().fine, []
    for offset in (-0.375, -0.125, 0.125, 0.375):
        turns = (centre + offset) / 2_048 * torch.arange(20_480)
        tone = torch.sin(2 * torch.pi * turns).expand(1, 2, -1)
        middle = planes(stft(tone, make_window("sqrt_hann")))[:, 4:].transpose(2, 3)
        parts = torch.nn.functional.conv2d(middle, fine.kernel(), stride=(1, 2))
        real, imag = parts[0, :, 5, centre // 2].chunk(2)
        power = (real.square() + imag.square()).view(2, -1)[centre % 2]
        others = power[power < power.max()]
        assert power.max() > 2 * others.max()  # 3 dB or more
        loudest.append(int(power.argmax()))
    assert loudest == [0, 1, 2, 3]
