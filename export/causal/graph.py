"""The live model as an ONNX graph: one frame in, one frame of masks out.

Values have the shape (bands, 1, channels), so that the layers of ``to_onnx`` serve: bands stand
where those expect streams, and each sees one frame.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from export.causal.network import BINS, BandMemory, CausalUNet
from export.to_onnx.builder import GraphBuilder
from export.to_onnx.layers import affine, recurrence_cells
from export.to_onnx.weights import Affine, Recurrence
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, ModelSpec, StateSpec


def causal_states(model: CausalUNet) -> tuple[StateSpec, ...]:
    """Return the states that a step carries."""
    config = model.config
    top = BINS // config.patch
    shapes = {"frame": (top, 1, config.planes * config.patch)}
    for level in config.memory_levels:
        shapes[f"memory{level}"] = (top >> level, 1, config.channels[level])
    shapes |= {"bottom0": (1, 1, config.hidden), "bottom1": (1, 1, config.hidden)}
    return tuple(StateSpec(name, f"{name}_next", shape) for name, shape in shapes.items())


@torch.no_grad()
def build_causal(model: CausalUNet, spec: ModelSpec) -> ModelProto:
    """Return the graph; ``spec`` is stateful, one frame a run, with `causal_states`."""
    g, config = GraphBuilder(), model.config
    frame = g.take(FEATURES_INPUT, 0, BINS)  # (planes, BINS, 1)
    frame = g.node("Transpose", frame, perm=[1, 2, 0])
    top = BINS // config.patch
    raw = g.node("Reshape", frame, g.integers(top, 1, -1))
    g.node("Identity", raw, out="frame_next")
    x = _norm(g, _linear(g, g.concat(raw, "frame", axis=2), "patches", model.patches),
              "patches_norm", model.patches_norm)  # fmt: skip
    x = _silu(g, x)
    skips = [x]
    for level, (down, norm) in enumerate(zip(model.down, model.down_norm, strict=True), start=1):
        merged = g.node("Reshape", x, g.integers(top >> level, 1, -1))
        merged = _linear(g, merged, f"down{level}", down)
        x = _silu(g, _norm(g, merged, f"down_norm{level}", norm))
        if str(level) in model.memories:
            x = _memory(g, x, f"memory{level}", model.memories[str(level)])
        skips.append(x)
    x = _bottom(g, x, model)
    for level in reversed(range(len(model.up))):
        parted = _linear(g, x, f"up{level}", model.up[level])
        parted = g.node("Reshape", parted, g.integers(top >> level, 1, -1))
        parted = g.node("Add", parted, _linear(g, skips[level], f"skip{level}", model.skip[level]))
        x = _silu(g, _norm(g, parted, f"up_norm{level}", model.up_norm[level]))
        x = g.node("Add", x, _linear(g, x, f"refine{level}", model.refine[level]))
    masks = g.node("Sigmoid", _linear(g, g.concat(x, raw, axis=2), "head", model.head))
    masks = g.node("Reshape", masks, g.integers(1, BINS, config.masks, 1))
    masks = g.node("Transpose", masks, perm=[0, 2, 1, 3])
    g.concat(masks, g.take(masks, BINS - 1, BINS, axis=2), axis=2, out=ESTIMATE_OUTPUT)
    features = (spec.planes, spec.bins, 1)
    estimate = (1, spec.channels, spec.bins, 1)
    return g.build(
        spec.name,
        [(FEATURES_INPUT, features), *((s.input, s.shape) for s in spec.states)],
        [(ESTIMATE_OUTPUT, estimate), *((s.output, s.shape) for s in spec.states)],
        spec.to_metadata(),
    )


def _memory(g: GraphBuilder, x: str, name: str, memory: BandMemory) -> str:
    y = _norm(g, x, f"{name}_norm_time", memory.norm_time)
    y = g.node("Add", y, g.constant(f"{name}_place", _array(memory.place)[:, None]))
    (hidden,) = recurrence_cells(g, y, name, 1, f"{name}_gru", _gru(memory.gru, 0))
    g.node("Identity", hidden, out=f"{name}_next")
    x = g.node("Add", x, _linear(g, hidden, f"{name}_out", memory.out))
    y = _norm(g, x, f"{name}_norm_band", memory.norm_band)
    y = g.node("Transpose", y, perm=[2, 1, 0])  # channels first: bands are what is mixed
    y = _silu(g, _linear(g, y, f"{name}_widen", memory.widen))
    y = _linear(g, y, f"{name}_narrow", memory.narrow)
    return g.node("Add", x, g.node("Transpose", y, perm=[2, 1, 0]))


def _bottom(g: GraphBuilder, x: str, model: CausalUNet) -> str:
    bands = (BINS // model.config.patch) >> len(model.down)
    y = g.node("Reshape", x, g.integers(1, 1, -1))
    for layer in range(2):
        (y,) = recurrence_cells(g, y, f"bottom{layer}", 1, f"gru{layer}", _gru(model.gru, layer))
        g.node("Identity", y, out=f"bottom{layer}_next")
    y = _linear(g, y, "back", model.back)
    return g.node("Add", x, g.node("Reshape", y, g.integers(bands, 1, -1)))


def _linear(g: GraphBuilder, x: str, name: str, layer: nn.Linear) -> str:
    return affine(g, x, name, Affine(_array(layer.weight.T), _array(layer.bias)))


def _norm(g: GraphBuilder, x: str, name: str, layer: nn.LayerNorm) -> str:
    scale = g.constant(f"{name}_scale", _array(layer.weight))
    return g.node(
        "LayerNormalization", x, scale, g.constant(f"{name}_bias", _array(layer.bias)),
        axis=-1, epsilon=layer.eps,
    )  # fmt: skip


def _silu(g: GraphBuilder, x: str) -> str:
    return g.node("Mul", x, g.node("Sigmoid", x))


def _gru(gru: nn.GRU, layer: int) -> Recurrence:
    def side(kind: str) -> Affine:
        weight, bias = (getattr(gru, f"{part}_{kind}_l{layer}") for part in ("weight", "bias"))
        return Affine(_array(weight.T), _array(bias))

    return Recurrence(side("ih"), side("hh"))


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
