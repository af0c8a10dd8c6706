"""The U-Net as an ONNX graph: a window of magnitudes in, the vocals' masks out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

from export.onnx_graph.builder import GraphBuilder
from export.recipes.spleeter.features import HOP_LENGTH, N_FFT
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
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, FREE_AXIS, ModelSpec

SAMPLE_RATE = 44_100
FFT_BINS = N_FFT // 2 + 1


def spleeter_spec(**card: object) -> ModelSpec:
    """Return the spec of a graph over windows of any multiple of ``STRIDE`` frames.

    Parameters
    ----------
    card
        Its name, licence, training_data, scores, git_commit.
    """
    return ModelSpec(
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS[0],
        stems=("vocals",),
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        window="hann",
        feature="magnitude",
        output="mask",
        mode="sliding",
        frames_per_run=STRIDE,
        stride_frames=1,
        lookahead_frames=0,
        any_frames=True,
        **card,  # type: ignore[arg-type]
    )


@torch.no_grad()
def build_spleeter(network: SpleeterUNet, spec: ModelSpec) -> ModelProto:
    """Return the graph: weights stored as float16, which who loads it makes float32 again."""
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
            *_weights(g, f"encoder{i}", encoder.conv),
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
            *_weights(g, f"decoder{i}", decoder.conv),
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
        *_weights(g, "head", network.head),
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


def row_of_bin() -> NDArray[np.int64]:
    """Return which row holds the mask of each of the 2049 bins; Nyquist follows its neighbour."""
    treble = np.repeat(np.arange(BINS, BINS + TREBLE_ROWS), POOLED)
    return np.concatenate([np.arange(BINS), treble, treble[-1:]])


def _weights(g: GraphBuilder, name: str, layer: nn.Module) -> list[str]:
    kernel, bias = layer.weight, layer.bias
    assert isinstance(kernel, Tensor)
    assert isinstance(bias, Tensor)
    half = g.constant(f"{name}_weight", kernel.numpy().astype(np.float16))
    return [
        g.node("Cast", half, to=TensorProto.FLOAT),
        g.constant(f"{name}_bias", bias.numpy().astype(np.float32)),
    ]


def _norm(g: GraphBuilder, x: str, name: str, norm: nn.BatchNorm2d) -> str:
    parts = {
        "scale": norm.weight,
        "bias": norm.bias,
        "mean": norm.running_mean,
        "variance": norm.running_var,
    }
    constants = [g.constant(f"{name}_{k}", v.numpy()) for k, v in parts.items() if v is not None]
    return g.node("BatchNormalization", x, *constants, epsilon=norm.eps)
