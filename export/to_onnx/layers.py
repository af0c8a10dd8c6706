"""The network's layers as graph nodes, on values of shape (channels, frames, features).

Every layer works on frames that already carry their neighbours: who calls decides whether
those are zeros at a window's edge or what the last step kept. So both graphs are made of the
same few functions.
"""

from __future__ import annotations

import numpy as np

from export.network import NEGATIVE_SLOPE
from export.to_onnx.builder import GraphBuilder
from export.to_onnx.weights import Affine, Recurrence, Upsampling
from streamsep.spec import ESTIMATE_OUTPUT, ModelSpec


def affine(g: GraphBuilder, x: str, name: str, layer: Affine) -> str:
    """Return ``x @ weight + bias``."""
    product = g.node("MatMul", x, g.constant(f"{name}_weight", layer.weight))
    return g.node("Add", product, g.constant(f"{name}_bias", layer.bias))


def leaky(g: GraphBuilder, x: str) -> str:
    """Return the network's activation of ``x``."""
    return g.node("LeakyRelu", x, alpha=NEGATIVE_SLOPE)


def convolution(
    g: GraphBuilder, x: str, frames: int, name: str, layer: Affine, stride: int = 1
) -> str:
    """Convolve three frames at a time: unfolded, one product, which runs fastest on CPUs.

    Parameters
    ----------
    frames
        Frames of ``x``, neighbours included; ``(frames - 3) // stride + 1`` come out.
    """
    last = frames - 3
    shifted = [g.take(x, k, last + k + 1, stride) for k in range(3)]
    return affine(g, g.concat(*shifted, axis=2), name, layer)


def upsampling(
    g: GraphBuilder, x: str, frames: int, channels: int, name: str, layer: Upsampling
) -> str:
    """Double the rate: from frames i and i+1 come output frames 2i+1 and 2i+2.

    Parameters
    ----------
    frames
        Frames of ``x``, the neighbour before included; ``2 * (frames - 1)`` come out.
    """
    before, after = g.take(x, 0, frames - 1), g.take(x, 1, frames)
    odd = affine(g, g.concat(before, after, axis=2), f"{name}_odd", layer.odd)
    even = affine(g, after, f"{name}_even", layer.even)
    width = layer.even.bias.size
    paired = g.concat(odd, even, axis=2)  # a row holds frame 2i+1, then frame 2i+2
    return g.node("Reshape", paired, g.integers(channels, 2 * (frames - 1), width))


def recurrence_cells(
    g: GraphBuilder, x: str, hidden: str, frames: int, name: str, layer: Recurrence
) -> list[str]:
    """Run a GRU frame by frame, of matrix products only, so that int8 reaches all of it.

    Parameters
    ----------
    x
        Input, shape (channels, frames, features).
    hidden
        State before the first frame, shape (channels, 1, features).

    Returns
    -------
    list of str
        The state after each frame, shape (channels, 1, features) each.
    """
    driven = affine(g, x, f"{name}_input", layer.input)
    one = g.constant("one", np.ones(1, np.float32))
    states = []
    for t in range(frames):
        drive = driven if frames == 1 else g.take(driven, t, t + 1)
        own = affine(g, hidden, f"{name}_hidden", layer.hidden)
        (rx, zx, nx), (rh, zh, nh) = g.split(drive, 3, 2), g.split(own, 3, 2)
        reset = g.node("Sigmoid", g.node("Add", rx, rh))
        keep = g.node("Sigmoid", g.node("Add", zx, zh))
        new = g.node("Tanh", g.node("Add", nx, g.node("Mul", reset, nh)))
        fresh = g.node("Mul", g.node("Sub", one, keep), new)
        hidden = g.node("Add", fresh, g.node("Mul", keep, hidden))
        states.append(hidden)
    return states


def recurrence_scan(
    g: GraphBuilder, x: str, name: str, layer: Recurrence, hidden: str = "", last: str = ""
) -> str:
    """Run a GRU over frames with ONNX's own operator.

    ONNX orders the gates z, r, n where torch orders them r, z, n; with
    ``linear_before_reset`` the reset gate meets the product with its bias, as in torch.

    Parameters
    ----------
    x
        Input, shape (frames, channels, features).
    hidden
        State before the first frame, shape (1, channels, features).  [default: zeros]
    last
        Name for the state after the last frame.

    Returns
    -------
    str
        The state after each frame, shape (frames, channels, features).
    """

    def reorder(rows: np.ndarray) -> np.ndarray:
        r, z, n = np.split(rows, 3)
        return np.concatenate([z, r, n])[None]

    weight = g.constant(f"{name}_w", reorder(layer.input.weight.T))
    recurrent = g.constant(f"{name}_r", reorder(layer.hidden.weight.T))
    bias = np.concatenate([reorder(layer.input.bias), reorder(layer.hidden.bias)], axis=1)
    inputs = [x, weight, recurrent, g.constant(f"{name}_b", bias), "", hidden]
    states = g.node(
        "GRU", *(inputs if hidden else inputs[:4]), outputs=[last] if last else [],
        hidden_size=layer.hidden.weight.shape[0], linear_before_reset=1,
    )  # fmt: skip
    return g.node("Squeeze", states, g.integers(1))  # of (frames, 1 direction, channels, features)


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
