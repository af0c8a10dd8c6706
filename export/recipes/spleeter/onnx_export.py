"""The U-Net as an ONNX graph: a window of magnitudes in, the vocals' masks out."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

from export.constants import SAMPLE_RATE
from export.errors import VerificationError
from export.onnx_graph.builder import GraphBuilder
from export.onnx_graph.write import kept_if_proven
from export.recipes.spleeter.features import N_FFT, stft, to_bins, to_rows
from export.recipes.spleeter.network import (
    BINS,
    CHANNELS,
    KERNEL,
    NEGATIVE_SLOPE,
    POOLED,
    STRIDE,
    TREBLE_ROWS,
    Decoder,
    Encoder,
    SpleeterUNet,
)
from streamsep.models.contracts.spleeter import spleeter_spec as contract_spec
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.load import OFFLINE_WINDOW
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, FREE_AXIS, ModelSpec

FFT_BINS = N_FFT // 2 + 1
PRECISIONS = ("fp16", "fp32")  # in which kernels are stored; all is computed in float32
LICENCE = "MIT; weights that began as Spleeter's (Deezer, MIT)"
BEGAN_WITH = "Spleeter's two-stem weights, which Deezer trained on songs that aren't published"
# Masks are sigmoids of float32 sums that are taken in another order.
MAX_ERROR = 1e-4
# Rounding kernels to 11 bits changed masks of the published network over the sounds below by 0.0006
# rms, and a single bin, whose sums nearly cancel, by 0.07.
MAX_ROUNDING_RMS = 3e-3
TEST_S = 6.2  # of sound: the window that is used offline, nearly filled


def spleeter_spec(**card: object) -> ModelSpec:
    """Return the spec of a graph over windows of any multiple of ``STRIDE`` frames.

    Parameters
    ----------
    card
        Its name, licence, training_data, scores, git_commit.
    """
    own = contract_spec(str(card["name"]), origin="", licence="")
    own = replace(own, frames_per_run=STRIDE, any_frames=True, multichannel_wiener=True)
    return replace(own, **card)  # type: ignore[arg-type]


@torch.no_grad()
def build_spleeter(network: SpleeterUNet, spec: ModelSpec, precision: str = "fp16") -> ModelProto:
    """Return the graph.

    Parameters
    ----------
    precision
        One of `PRECISIONS`; who loads a file of float16 makes float32 of it again.
    """
    g = GraphBuilder()
    channels = CHANNELS[0]
    x = g.node("Transpose", FEATURES_INPUT, perm=[0, 2, 1])
    treble = g.take(x, BINS, FFT_BINS - 1, axis=2)
    treble = g.node("AveragePool", treble, kernel_shape=[POOLED], strides=[POOLED])
    x = g.concat(g.take(x, 0, BINS, axis=2), treble, axis=2)
    x = g.node("Unsqueeze", x, g.integers(0))
    skips = []
    for i, encoder in enumerate(network.encoders):
        assert isinstance(encoder, Encoder)
        skip = g.node(
            "Conv",
            x,
            *_weights(g, f"encoder{i}", encoder.conv, precision),
            kernel_shape=[KERNEL, KERNEL],
            strides=[2, 2],
            pads=[1, 1, 2, 2],
        )
        skips.append(skip)
        if i + 1 < len(network.encoders):
            x = g.node(
                "LeakyRelu", _norm(g, skip, f"encoder{i}_norm", encoder.norm), alpha=NEGATIVE_SLOPE
            )
    y = skips.pop()
    for i in reversed(range(len(network.decoders))):
        decoder = network.decoders[i]
        assert isinstance(decoder, Decoder)
        y = g.node(
            "ConvTranspose",
            y,
            *_weights(g, f"decoder{i}", decoder.conv, precision),
            kernel_shape=[KERNEL, KERNEL],
            strides=[2, 2],
            pads=[1, 1, 2, 2],
        )
        y = _norm(g, g.node("Relu", y), f"decoder{i}_norm", decoder.norm)
        if skips:
            y = g.concat(skips.pop(), y)
    logits = g.node(
        "Conv",
        y,
        *_weights(g, "head", network.head, precision),
        kernel_shape=[4, 4],
        dilations=[2, 2],
        pads=[3, 3, 3, 3],
    )
    masks = g.node("Transpose", g.node("Sigmoid", logits), perm=[0, 1, 3, 2])
    masks = g.node("Gather", masks, g.constant("row_of_bin", row_of_bin()), axis=2)
    g.node("Identity", masks, out=ESTIMATE_OUTPUT)
    return g.build(
        spec.name,
        [(FEATURES_INPUT, (channels, FFT_BINS, FREE_AXIS))],
        [(ESTIMATE_OUTPUT, (1, channels, FFT_BINS, FREE_AXIS))],
        spec.to_metadata(),
    )


def write_spleeter(
    network: SpleeterUNet, spec: ModelSpec, path: Path, precision: str = "fp16"
) -> float:
    """Export to a file, verify it, and return the largest difference of a mask.

    Raises
    ------
    VerificationError
        When the graph isn't the network; what was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    with kept_if_proven(build_spleeter(network, spec, precision), path) as partial:
        return verify_spleeter(partial, network, precision)


@torch.no_grad()
def verify_spleeter(path: Path, network: SpleeterUNet, precision: str) -> float:
    """Run the file's graph over noise and a chord, as nearly live and as offline.

    It must compute what the network does with its kernels as they are stored, to `MAX_ERROR`; and
    that must be what the network computes, to `MAX_ROUNDING_RMS`.

    Returns
    -------
    float
        The largest difference of a mask from the network with its kernels as they are stored.

    Raises
    ------
    VerificationError
        When one is more than is allowed.
    """
    network = network.eval()
    stored = as_stored(network, precision)
    largest = 0.0
    for times in (1, OFFLINE_WINDOW):
        backend = OnnxBackend(path, device="cpu", runs_at_once=times)
        for sound in verification_sounds():
            magnitude = stft(torch.from_numpy(sound))[..., : backend.spec.frames_per_run].abs()
            backend.features.fill(0.0)
            backend.features[..., : magnitude.shape[-1]] = magnitude.numpy()
            backend.run()
            rows = to_rows(torch.from_numpy(backend.features)[None])
            rounded, exact = (n.logits(rows).sigmoid() for n in (stored, network))
            masks = torch.from_numpy(backend.estimate)
            error = (masks - to_bins(rounded)).abs().max().item()
            _check(error, MAX_ERROR, "differ from the network's by {}")
            rms = (rounded - exact).square().mean().sqrt().item()
            _check(rms, MAX_ROUNDING_RMS, "lose {} rms by being stored in " + precision)
            largest = max(largest, error)
    return largest


def _check(error: float, allowed: float, what: str) -> None:
    if not error <= allowed:  # NaN isn't either
        raise VerificationError(
            f"the graph's masks {what.format(f'{error:.3g}')}",
            expected=f"at most {allowed:g}",
            remedy="use --precision fp32 if it is rounding; else report this, a bug in the export",
        )


def as_stored(network: SpleeterUNet, precision: str) -> SpleeterUNet:
    """Return the network with its kernels rounded as a file of that precision stores them."""
    copy = deepcopy(network)
    for module in copy.modules():
        if precision == "fp16" and isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data = module.weight.data.half().float()
    return copy


def verification_sounds() -> Iterator[NDArray[np.float32]]:
    """Yield what graphs are verified on, float32 (2, samples) each.

    Noise whose level comes and goes, and a chord of a few voices with vibrato, which fall silent
    now and then.
    """
    rng = np.random.default_rng(0)
    time = np.arange(int(TEST_S * SAMPLE_RATE)) / SAMPLE_RATE
    noise = 0.1 * rng.standard_normal((2, time.size)) * (1.1 + np.sin(2 * np.pi * time))
    yield noise.astype(np.float32)
    chord = np.zeros((2, time.size))
    for hz, rate, place in ((110.0, 0.7, 0.5), (277.2, 1.3, 0.2), (329.6, 2.1, 0.8)):
        phase = 2 * np.pi * hz * time + 0.5 * np.sin(2 * np.pi * 5 * time)
        tone = sum(np.sin(k * phase) / k for k in range(1, 30))
        level = 0.15 * np.maximum(np.sin(2 * np.pi * rate * time), 0) ** 0.5
        chord += np.array([[place], [1 - place]]) * level * tone
    yield chord.astype(np.float32)


def row_of_bin() -> NDArray[np.int64]:
    """Return which row holds the mask of each of the 2049 bins; Nyquist follows its neighbour."""
    treble = np.repeat(np.arange(BINS, BINS + TREBLE_ROWS), POOLED)
    return np.concatenate([np.arange(BINS), treble, treble[-1:]])


def _weights(g: GraphBuilder, name: str, layer: nn.Module, precision: str) -> list[str]:
    kernel, bias = layer.weight, layer.bias
    assert isinstance(kernel, Tensor)
    assert isinstance(bias, Tensor)
    half = precision == "fp16"
    dtype = np.float16 if half else np.float32
    stored = g.constant(f"{name}_weight", kernel.numpy().astype(dtype))
    if half:
        stored = g.node("Cast", stored, to=TensorProto.FLOAT)
    return [stored, g.constant(f"{name}_bias", bias.numpy().astype(np.float32))]


def _norm(g: GraphBuilder, x: str, name: str, norm: nn.BatchNorm2d) -> str:
    parts = {
        "scale": norm.weight,
        "bias": norm.bias,
        "mean": norm.running_mean,
        "variance": norm.running_var,
    }
    constants = [g.constant(f"{name}_{k}", v.numpy()) for k, v in parts.items() if v is not None]
    return g.node("BatchNormalization", x, *constants, epsilon=norm.eps)
