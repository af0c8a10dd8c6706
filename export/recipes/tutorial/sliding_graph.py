"""The sliding graph: a whole window in, its estimate out, nothing kept between runs."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from export.onnx_graph.builder import GraphBuilder
from export.onnx_graph.layers import Recurrence, convolution, recurrence_scan, upsampling
from export.recipes.tutorial.onnx_layers import leaky, write_estimate
from export.recipes.tutorial.onnx_weights import Weights
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, ModelSpec

STRIDE = 4


def build_sliding(weights: Weights, spec: ModelSpec) -> ModelProto:
    """Return the windowed graph of a network: exactly what ``VocalModel.forward`` computes.

    Parameters
    ----------
    spec
        With ``mode="sliding"`` and ``frames_per_run`` a multiple of 4.
    """
    g = GraphBuilder()
    w, frames, ch = weights, spec.frames_per_run, spec.channels

    def edge(width: int) -> str:
        """One frame of zeros: the padding at a window's edge."""
        return g.constant(f"zeros_{width}", np.zeros((ch, 1, width), np.float32))

    def padded(value: str, width: int) -> str:
        return g.concat(edge(width), value, edge(width))

    c1, c2, c3 = w.config.channels
    x = g.node("Transpose", FEATURES_INPUT, perm=[0, 2, 1])
    a = leaky(g, convolution(g, padded(x, spec.bins), frames + 2, "conv1", w.conv1))
    b = leaky(g, convolution(g, padded(a, c1), frames + 2, "conv2", w.conv2, stride=2))
    c = leaky(g, convolution(g, padded(b, c2), frames // 2 + 2, "conv3", w.conv3, stride=2))
    d = _up(g, padded(c, c3), frames // 4, ch, "up1", w)
    d = g.node("Add", d, _scan(g, b, "gru2", w.gru2))
    e = _up(g, padded(d, c2), frames // 2, ch, "up2", w)
    e = g.node("Add", e, _scan(g, a, "gru1", w.gru1))
    y = convolution(g, padded(e, c1), frames + 2, "out", w.out)
    write_estimate(g, y, x if w.config.head == "gated" else None, spec)
    return g.build(
        spec.name,
        [(FEATURES_INPUT, spec.features_shape)],
        [(ESTIMATE_OUTPUT, spec.estimate_shape)],
        spec.to_metadata(),
    )


def _scan(g: GraphBuilder, x: str, name: str, layer: Recurrence) -> str:
    """Run a GRU over a window, on values of shape (channels, frames, features)."""
    states = recurrence_scan(g, g.node("Transpose", x, perm=[1, 0, 2]), name, layer)
    return g.node("Transpose", states, perm=[1, 0, 2])


def _up(g: GraphBuilder, x: str, frames: int, channels: int, name: str, w: Weights) -> str:
    """Upsample ``frames`` frames padded on both sides to twice as many.

    From the zero before the first frame and the one after the last come one frame too many at
    either end.
    """
    doubled = leaky(g, upsampling(g, x, frames + 2, channels, name, getattr(w, name)))
    return g.take(doubled, 1, 2 * frames + 1)
