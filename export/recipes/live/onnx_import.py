"""A live network read back from its model file, to be trained on from there.

The file holds no batch norms: they were folded into the convolutions before them. So norms that
change nothing are put there, and then given what reaches them: their mean and deviation, undone
by their gain and bias.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from export.engine.checkpoint import build_from
from export.errors import CheckpointError
from export.recipes.live.features import FEATURE_GAIN, planes
from export.recipes.live.graph import head_of_pairs
from export.recipes.live.live_checkpoint import current_constant, read_live_content
from export.recipes.live.low_rank import PRODUCTS
from export.recipes.live.network import (
    FEATURE_SCALE,
    FINE_PARTS,
    CausalConfig,
    CausalUNet,
)
from streamsep.errors import ModelError
from streamsep.onnx_file import read_metadata
from streamsep.spec import ModelSpec

if TYPE_CHECKING:
    from export.recipes.live.task import LiveTask

BATCHES, BATCHES_FROM = 16, 2 * 10**8  # steps of their own


def read_start(path: Path, task: LiveTask) -> dict[str, Any]:
    """Return a checkpoint's content, or as much of one as is in a model file: ``average``.

    Raises
    ------
    CheckpointError
        If it is neither, or another network's.
    """
    if path.suffix != ".onnx":
        return read_live_content(path)
    network = build_from(path, read_arrays(path), read_network)
    fit_norms(network, task.spectra(BATCHES_FROM, BATCHES))
    return {"average": network.state_dict()}


def _graph_file(path: Path) -> Path:
    return ModelSpec.from_metadata(read_metadata(path)).graph_file(path)


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Return a model file's constants by name; 8-bit weights as what they stand for.

    Raises
    ------
    CheckpointError
        If it can't be read.
    """
    try:
        graph = onnx.load(_graph_file(path), load_external_data=False).graph
        arrays = {
            current_constant(c.name): torch.from_numpy(np.array(numpy_helper.to_array(c)))
            for c in graph.initializer
        }
        return arrays | {
            name: _from_int8(array, arrays[name.removesuffix("weight") + "scale"])
            for name, array in arrays.items()
            if array.dtype == torch.uint8
        }
    except (ModelError, OSError, DecodeError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} can't be read ({error})",
            expected="a checkpoint or a model file",
            remedy="name one that 'python -m export' wrote",
        ) from error


@torch.no_grad()
def read_network(arrays: dict[str, Tensor]) -> CausalUNet:
    """Return the network of a live model's constants, in evaluation mode.

    Raises
    ------
    KeyError, RuntimeError, ValueError
        If they are another network's.
    """
    if "sharpen" in arrays:
        raise ValueError("files of schema 3 and before take their logarithms otherwise")
    weights: dict[str, Tensor] = {}
    levels = sum(name.startswith("encoder") for name in arrays) // 2
    for i in range(levels):
        weights[f"encoders.{i}.conv.weight"] = arrays[f"encoder{i}_weight"]
        weights |= _idle_norm(f"encoders.{i}.norm", arrays[f"encoder{i}_bias"])
        weights[f"decoders.{i}.up.weight"] = _unpaired(arrays[f"up{i}_weight"])
        weights[f"decoders.{i}.skip.weight"] = arrays[f"skip{i}_weight"]
        weights |= _idle_norm(f"decoders.{i}.norm", arrays[f"up{i}_bias"][::2])
    # Of the top level even and odd bands are apart.
    weights["decoders.0.skip.weight"] = arrays["skip0_weight"][0::2, ..., :1] / FEATURE_SCALE
    weights["encoders.0.conv.weight"] = arrays["encoder0_weight"] / FEATURE_SCALE
    if fine := "fine_filters" in arrays:
        weights |= _read_fine(arrays)
    recurrent_levels = [i for i in range(1, levels) if f"band{i}_embedding" in arrays]
    for i in recurrent_levels:
        ours, theirs = f"band_recurrences.{i}", f"band{i}"
        weights |= {
            f"{ours}.norm.weight": arrays[f"{theirs}_scale"],
            f"{ours}.norm.bias": arrays[f"{theirs}_bias"],
            f"{ours}.band_embedding": arrays[f"{theirs}_embedding"],
            f"{ours}.out.weight": arrays[f"{theirs}_out_weight"].T,
            f"{ours}.out.bias": arrays[f"{theirs}_out_bias"],
        } | _gru(arrays, f"{theirs}_gru", f"{ours}.gru", 0)
    for layer in range(2):
        weights |= _gru(arrays, f"bottleneck{layer}", "bottleneck", layer)
    projection = arrays["projection_weight"]
    weights |= {
        "projection.weight": projection if "projection_scale" in arrays else projection.T,
        "projection.bias": arrays["projection_bias"],
    }
    for name, theirs in zip(PRODUCTS, ("bottleneck0", "bottleneck1", "projection"), strict=True):
        if (first := arrays.get(f"{theirs}_factor")) is not None:
            weights[name] = weights[name][:, : first.shape[1]] @ first.T
    weights["head.weight"] = head_of_pairs(arrays["head_weight"])
    weights["head.bias"] = arrays["head_bias"][0::2]
    config = CausalConfig(
        planes=arrays["encoder0_weight"].shape[1],
        masks=len(weights["head.bias"]),
        channels=tuple(len(arrays[f"encoder{i}_bias"]) for i in range(levels)),
        recurrent_levels=tuple(recurrent_levels),
        hidden=len(weights["bottleneck.bias_hh_l0"]) // 3,
        fine=fine,
        lookahead=arrays["skip0_weight"].shape[2] - 1,
    )
    network = CausalUNet(config)
    recurrent = (f"bottleneck.weight_{s}_l{i}" for s in ("ih", "hh") for i in range(2))
    for name in ("projection.weight", *recurrent):
        # Of 8 bits, rows are filled up to whole blocks.
        weights[name] = weights[name][:, : network.get_parameter(name).shape[1]]
    network.load_state_dict(weights, strict=False)
    lacking = network.state_dict().keys() - weights.keys()
    if any(not name.endswith("num_batches_tracked") for name in lacking):
        raise KeyError(min(lacking))
    return network.eval()


@torch.no_grad()
def fit_norms(network: CausalUNet, mixtures: Iterable[Tensor]) -> None:
    """Let every batch norm divide by what reaches it, and change nothing of what comes out.

    Parameters
    ----------
    mixtures
        complex64 spectra, (batch, 2, bins, frames) each.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    seen: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def look(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0]
        seen[norm].append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    for mixture in mixtures:
        network.logits(planes(mixture))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = torch.stack(seen[norm]).mean(0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(gain * (mean - norm.running_mean))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_((square - mean.square()).clamp_min(0))
        norm.weight.copy_(gain * (norm.running_var + norm.eps).sqrt())


def _read_fine(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    real, imag = arrays["fine_filters"][:FINE_PARTS, :, :, 0].flip(2).unbind(1)
    gain = FEATURE_GAIN * arrays["fine_one"].float().sqrt()
    return {
        "fine.real": real / gain,
        "fine.imag": -imag / gain,
        "fine.conv.weight": arrays["fine_weight"] / (FEATURE_SCALE / 2),
        "fine.out.weight": arrays["fine_out"],
    } | _idle_norm("fine.norm", arrays["fine_bias"])


def _idle_norm(name: str, bias: Tensor) -> dict[str, Tensor]:
    one = torch.ones_like(bias)
    return {
        f"{name}.weight": one,
        f"{name}.bias": bias,
        f"{name}.running_mean": 0 * one,
        f"{name}.running_var": one - nn.BatchNorm2d(1).eps,
    }


def _unpaired(pair: Tensor) -> Tensor:
    """Undo `export.recipes.live.graph._paired`: (2 · out, in, 1, 3) to (in, out, 1, 4)."""
    even, odd = pair[0::2].transpose(0, 1), pair[1::2].transpose(0, 1)
    return torch.stack([odd[..., 2], even[..., 1], odd[..., 1], even[..., 0]], -1)


def _from_int8(integers: Tensor, scale: Tensor) -> Tensor:
    """Undo `export.onnx_graph.layers.affine_int8`: (outputs, blocks, 32) to (outputs, inputs)."""
    return ((integers.float() - 128) * scale.view(*integers.shape[:2], 1)).flatten(1)


def _gru(arrays: dict[str, Tensor], theirs: str, ours: str, layer: int) -> dict[str, Tensor]:
    """Return a GRU's weights."""
    sides = "ih", "hh"
    if f"{theirs}_w" in arrays:
        weights = [_torch_order(arrays[f"{theirs}_{side}"][0]) for side in ("w", "r")]
        biases = [_torch_order(bias) for bias in arrays[f"{theirs}_b"][0].chunk(2)]
    else:  # in 8 bits it is no operator but its products
        weights = [arrays[f"{theirs}_{side}_weight"] for side in ("input", "hidden")]
        biases = [arrays[f"{theirs}_{side}_bias"] for side in ("input", "hidden")]
    return {
        f"{ours}.{kind}_{side}_l{layer}": array
        for kind, arrays_of in (("weight", weights), ("bias", biases))
        for side, array in zip(sides, arrays_of, strict=True)
    }


def _torch_order(rows: Tensor) -> Tensor:
    """Reorder gates: ONNX has z, r, n where torch has r, z, n."""
    z, r, n = rows.chunk(3)
    return torch.cat([r, z, n])
