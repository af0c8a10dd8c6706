"""What only the tutorial's graphs need: its activation, and its estimate as the output."""

from __future__ import annotations

from export.onnx_graph.builder import GraphBuilder
from export.recipes.tutorial.network import NEGATIVE_SLOPE
from streamsep.spec import ESTIMATE_OUTPUT, ModelSpec


def leaky(g: GraphBuilder, x: str) -> str:
    """Return the network's activation of ``x``."""
    return g.node("LeakyRelu", x, alpha=NEGATIVE_SLOPE)


def write_estimate(g: GraphBuilder, y: str, gate: str | None, spec: ModelSpec) -> None:
    """Take the last convolution's stems, side by side in its features, apart as the output.

    Parameters
    ----------
    gate
        The mixture's features that the gated head multiplies by, (channels, frames, bins).
    """
    sizes = (spec.channels, spec.frames_per_run, len(spec.stems), spec.bins)
    y = g.node("Reshape", y, g.integers(*sizes))
    if gate is not None:
        y = g.node("Mul", g.node("Unsqueeze", gate, g.integers(2)), g.node("Sigmoid", y))
    g.node("Transpose", y, perm=[2, 0, 3, 1], out=ESTIMATE_OUTPUT)
