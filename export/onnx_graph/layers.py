"""The network's layers as graph nodes, on values of shape (channels, frames, features).

Every layer works on frames that already carry their neighbours: who calls decides whether
those are zeros at a window's edge or what the last step kept. So both graphs are made of the
same few functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.onnx_graph.builder import RUNTIME, GraphBuilder
from streamsep.spec import FREE_AXIS

Array = NDArray[np.float32]

INT8_BLOCK = 32
INT8_SUMS = 4  # MatMulNBits's accuracy_level: x in 8 bits too


@dataclass(frozen=True, slots=True)
class Affine:
    """``x @ weight + bias``: weight of shape (inputs, outputs), bias of shape (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Upsampling:
    """A transposed convolution of stride 2 as the two products it is.

    Attributes
    ----------
    odd
        Makes frame 2i+1 of frames i and i+1, laid side by side.
    even
        Makes frame 2i of frame i.
    """

    odd: Affine
    even: Affine


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A GRU: gates r, z, n side by side in the outputs, as torch orders them."""

    input: Affine
    hidden: Affine


def affine(g: GraphBuilder, x: str, name: str, layer: Affine) -> str:
    """Return ``x @ weight + bias``, float32 (..., outputs).

    Parameters
    ----------
    x
        (..., inputs).
    name
        Begins the names of the constants.
    """
    product = g.node("MatMul", x, g.constant(f"{name}_weight", layer.weight))
    return g.node("Add", product, g.constant(f"{name}_bias", layer.bias))


def affine_int8(g: GraphBuilder, x: str, name: str, layer: Affine) -> str:
    """Return ``x @ weight + bias`` of 8-bit numbers, with a scale for every 32 of a sum's terms.

    `MatMulNBits` quantises ``x`` as it comes, each row by scales of its own: what becomes of a
    frame doesn't depend on how many others are done with it.

    Parameters
    ----------
    x, name
        As of `affine`; weights become integers of 8 bits, symmetric about 128.
    """
    inputs, outputs = layer.weight.shape
    blocks = -(-inputs // INT8_BLOCK)
    weight = np.zeros((outputs, blocks * INT8_BLOCK), np.float32)
    weight[:, :inputs] = layer.weight.T
    weight = weight.reshape(outputs, blocks, INT8_BLOCK)
    scale = np.maximum(np.abs(weight).max(-1) / 127, np.float32(1e-12))
    integers = (np.rint(weight / scale[..., None]) + 128).astype(np.uint8)
    constants = (
        g.constant(f"{name}_weight", integers),
        g.constant(f"{name}_scale", scale.ravel()),
        "",
        "",
        g.constant(f"{name}_bias", layer.bias),
    )
    return g.node(
        "MatMulNBits",
        x,
        *constants,
        domain=RUNTIME,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=INT8_BLOCK,
        accuracy_level=INT8_SUMS,
    )


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
    states = []
    for t in range(frames):
        drive = driven if frames == 1 else g.take(driven, t, t + 1)
        own = affine(g, hidden, f"{name}_hidden", layer.hidden)
        hidden = recurrence_cell(g, drive, own, hidden)
        states.append(hidden)
    return states


def recurrence_cell(g: GraphBuilder, drive: str, own: str, hidden: str, out: str = "") -> str:
    """Return a GRU's next state.

    Parameters
    ----------
    drive, own
        What input and state are multiplied to: gates r, z, n side by side.
    hidden
        The state before.
    out
        Name for the state after.
    """
    (rx, zx, nx), (rh, zh, nh) = g.split(drive, 3, -1), g.split(own, 3, -1)
    reset = g.node("Sigmoid", g.node("Add", rx, rh))
    keep = g.node("Sigmoid", g.node("Add", zx, zh))
    new = g.node("Tanh", g.node("Add", nx, g.node("Mul", reset, nh)))
    # (1 − keep) · new + keep · hidden
    kept = g.node("Mul", keep, g.node("Sub", hidden, new))
    return g.node("Add", new, kept, out=out or None)


def recurrence_scan(
    g: GraphBuilder,
    x: str,
    name: str,
    layer: Recurrence,
    hidden: str = "",
    last: str = "",
    out: str = "",
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
    last, out
        Names for the state after the last frame, and for what is returned.

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
        "GRU",
        *(inputs if hidden else inputs[:4]),
        outputs=[last] if last else [],
        hidden_size=layer.hidden.weight.shape[0],
        linear_before_reset=1,
    )
    # Of (frames, 1 direction, channels, features).
    return g.node("Squeeze", states, g.integers(1), out=out or None)


def recurrence(
    g: GraphBuilder,
    x: str,
    alone: str,
    name: str,
    layer: Recurrence,
    states: tuple[str, str],
    *,
    channels: int,
    int8: bool = False,
) -> str:
    """Run a GRU over frames; where there is only one, by the few products that it is.

    Of one frame these are faster than the operators for many. onnxruntime chooses when it loads
    the graph, if it is told by then how many frames there are, and forgets the other way.

    Parameters
    ----------
    x
        Input, shape (frames, channels, features).
    alone
        Whether there is only one frame, a bool.
    states
        Names of the state before the first frame and after the last one, (1, channels, features).

    Returns
    -------
    str
        The state after each frame, shape (frames, channels, features).
    """
    product = affine_int8 if int8 else affine
    before, after = states
    features = layer.hidden.weight.shape[0]
    state = (1, channels, features)
    one, many = GraphBuilder(g, f"{name}_one_"), GraphBuilder(g, f"{name}_many_")

    def cell(b: GraphBuilder, drive: str, hidden: str, out: str) -> None:
        own = product(b, hidden, f"{name}_hidden", layer.hidden)
        b.node("Identity", recurrence_cell(b, drive, own, hidden, out), out=f"{out}_too")

    def input_of(b: GraphBuilder) -> str:
        return product(b, x, f"{name}_input", layer.input)

    cell(one, input_of(one), before, f"{name}_one")
    if int8:
        # onnxruntime's GRU has no such form.
        step, drive = GraphBuilder(g, f"{name}_step_"), f"{name}_drive"
        cell(step, drive, f"{name}_before", f"{name}_step")
        body = step.part(
            [(f"{name}_before", state), (drive, (channels, 3 * features))],
            [(f"{name}_step", state), (f"{name}_step_too", state)],
        )
        many.node(
            "Scan",
            before,
            input_of(many),
            out=f"{name}_last",
            outputs=[f"{name}_all"],
            body=body,
            num_scan_inputs=1,
        )
        many.node("Squeeze", f"{name}_all", g.integers(1), out=f"{name}_many")
    else:
        recurrence_scan(many, x, name, layer, before, f"{name}_last", f"{name}_many")
    return g.node(
        "If",
        alone,
        outputs=[after],
        then_branch=one.part([], [(f"{name}_one", state), (f"{name}_one_too", state)]),
        else_branch=many.part(
            [], [(f"{name}_many", (FREE_AXIS, *state[1:])), (f"{name}_last", state)]
        ),
    )
