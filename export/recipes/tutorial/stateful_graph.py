"""The stateful graph: four frames in, four estimates out, every layer computed once a frame.

Timing
------
Number frames so that frame 0 is one all-zero frame before the stream. Step s = 1, 2, ... takes
features 4s-3 .. 4s and computes, of every layer, what has just become computable:

==========  =====================  ==========================  =======================
layer       frames of this step    needs                       keeps for the next step
==========  =====================  ==========================  =======================
conv1       4s-4 .. 4s-1           features 4s-5 .. 4s         2 frames of features
conv2       2s-2, 2s-1             conv1 4s-5 .. 4s-1          1 frame of conv1
conv3       s-1                    conv2 2s-3 .. 2s-1          1 frame of conv2
up1         2s-3, 2s-2             conv3 s-2, s-1              1 frame of conv3
 + gru2     2s-3, 2s-2             gru2 runs to 2s-1           its state, frame 2s-1
up2         4s-7 .. 4s-4           up1 sums 2s-4 .. 2s-2       1 frame of the sum
 + gru1     4s-7 .. 4s-4           gru1 runs to 4s-1           3 frames, the last its state
out         4s-8 .. 4s-5           up2 sums 4s-9 .. 4s-4       2 frames of the sum
==========  =====================  ==========================  =======================

(Frames of conv2 and up1 count halves of the rate, those of conv3 quarters.) The estimate at
position j so belongs to the frame 5 before the features at position j, and needs up to 8
later frames: the look-ahead of the network itself, nothing on top.

All states start at zero, which is the convolutions' zero padding left of frame 0. Steps before
the first real ones would compute biases where the padding has zeros, but what they touch is
only the estimate of frame 0 and earlier, which belongs to no sound.
"""

from __future__ import annotations

from onnx import ModelProto

from export.onnx_graph.builder import GraphBuilder
from export.onnx_graph.layers import convolution, recurrence_cells, upsampling
from export.recipes.tutorial.onnx_layers import leaky, write_estimate
from export.recipes.tutorial.onnx_weights import Weights
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, ModelSpec, StateSpec

FRAMES = 4
LOOKAHEAD = 8
LAG = 5


def stateful_states(weights: Weights, channels: int) -> tuple[StateSpec, ...]:
    """Return the graph's states, shape (channels, frames, features) each."""
    c1, c2, c3 = weights.config.channels
    # The gated head scales features 5 frames back; the direct head only feeds conv1.
    past = LAG if weights.config.head == "gated" else 2
    sizes = {
        "features_past": (past, weights.config.bins),
        "conv1_past": (1, c1),
        "conv2_past": (1, c2),
        "conv3_past": (1, c3),
        "up1_past": (1, c2),
        "up2_past": (2, c1),
        "gru1_past": (3, c1),
        "gru2_past": (1, c2),
    }
    return tuple(StateSpec(name, f"{name}_next", (channels, *size)) for name, size in sizes.items())


def build_stateful(weights: Weights, spec: ModelSpec) -> ModelProto:
    """Return the stateful graph of a network.

    Parameters
    ----------
    spec
        With ``mode="stateful"`` and the states of ``stateful_states``.
    """
    g = GraphBuilder()
    shape = {s.input: s.shape for s in spec.states}

    def keep(name: str, value: str, frames: int) -> None:
        """Hand the last frames of a value to the next step."""
        count = shape[name][1]
        g.take(value, frames - count, frames, out=f"{name}_next")

    gated, w, ch = weights.config.head == "gated", weights, spec.channels
    x = g.concat("features_past", g.node("Transpose", FEATURES_INPUT, perm=[0, 2, 1]))
    frames = shape["features_past"][1] + FRAMES
    keep("features_past", x, frames)
    recent = g.take(x, frames - FRAMES - 2, frames)

    new_a = leaky(g, convolution(g, recent, FRAMES + 2, "conv1", w.conv1))
    a = g.concat("conv1_past", new_a)
    keep("conv1_past", a, 5)
    new_b = leaky(g, convolution(g, a, 5, "conv2", w.conv2, stride=2))
    b = g.concat("conv2_past", new_b)
    keep("conv2_past", b, 3)
    c = g.concat("conv3_past", leaky(g, convolution(g, b, 3, "conv3", w.conv3, stride=2)))
    keep("conv3_past", c, 2)

    memory2 = recurrence_cells(g, new_b, "gru2_past", 2, "gru2", w.gru2)
    skip2 = g.concat("gru2_past", *memory2)
    keep("gru2_past", skip2, 3)
    new_d = g.node("Add", leaky(g, upsampling(g, c, 2, ch, "up1", w.up1)), g.take(skip2, 0, 2))
    d = g.concat("up1_past", new_d)
    keep("up1_past", d, 3)

    last1 = g.take("gru1_past", 2, 3)
    memory1 = recurrence_cells(g, new_a, last1, 4, "gru1", w.gru1)
    skip1 = g.concat("gru1_past", *memory1)
    keep("gru1_past", skip1, 7)
    new_e = g.node("Add", leaky(g, upsampling(g, d, 3, ch, "up2", w.up2)), g.take(skip1, 0, 4))
    e = g.concat("up2_past", new_e)
    keep("up2_past", e, 6)

    write_estimate(
        g, convolution(g, e, 6, "out", w.out), g.take(x, 0, FRAMES) if gated else None, spec
    )
    return g.build(
        spec.name,
        [(FEATURES_INPUT, spec.features_shape), *((s.input, s.shape) for s in spec.states)],
        [(ESTIMATE_OUTPUT, spec.estimate_shape), *((s.output, s.shape) for s in spec.states)],
        spec.to_metadata(),
    )
