"""The products around the bottleneck's recurrent layers, of as low a rank as they are needed.

Three of five weights are there, and of what they could pass on little is used: most of what they
multiply lies in a few directions. A product of low rank is two small ones (Xue, Li and Gong 2013),
and so `export.recipes.live.graph` writes it: a hop at the bottleneck does little more than read its
weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.data.manifest import read_manifest
from export.engine.checkpoint import build_from
from export.recipes.live.features import planes
from export.recipes.live.live_checkpoint import read_live_content
from export.recipes.live.mixing import StereoMixer
from export.recipes.live.network import CausalUNet
from export.recipes.live.recipe import read_recipe
from export.recipes.live.task import LiveTask

# The products' biases.
PRODUCTS = {
    "bottleneck.weight_ih_l0": "bottleneck.bias_ih_l0",
    "bottleneck.weight_ih_l1": "bottleneck.bias_ih_l1",
    "projection.weight": "projection.bias",
}
RANK = 96
LEAST = 1e-5  # of the strongest direction's variance: below it are rounding errors


class InputStatistics(NamedTuple):
    """What a product of n inputs multiplies.

    Attributes
    ----------
    mean
        float64, (n,).
    spread
        float64, (n, n): spread · spreadᵀ is their covariance.
    """

    mean: Tensor
    spread: Tensor

    @classmethod
    def isotropic(cls, count: int) -> InputStatistics:
        """Return inputs of which nothing is known: as much in each direction."""
        return cls(torch.zeros(count).double(), torch.eye(count).double())


def reduce_rank(path: Path, data: Path, rank: int = RANK) -> dict[str, Any]:
    """Return a checkpoint's content with the averaged network's products of a rank.

    Their shapes stay, so that it can be averaged, and trained on: which makes them full again.

    Parameters
    ----------
    data
        The prepared folder that says what the products multiply.

    Raises
    ------
    CheckpointError
        If it can't be read, or is no live network's.
    DataError
        If the folder can't be read.
    """
    content = read_live_content(path)
    recipe = build_from(path, content, read_recipe)
    tracks = [track for track in read_manifest(data) if track.split == "train"]
    mixer = StereoMixer(data, tracks, recipe.seed, recipe.stems)
    task = LiveTask(recipe, mixer, mixer)
    build_from(path, content["average"], task.average.load_state_dict)
    inputs = input_statistics(task.average, task.calibration_batches())
    return {**content, "average": truncate_rank(content["average"], rank, inputs)}


@torch.no_grad()
def input_statistics(network: CausalUNet, mixtures: Iterable[Tensor]) -> dict[str, InputStatistics]:
    """Return what `PRODUCTS` multiply while the network hears mixtures, by name.

    Parameters
    ----------
    mixtures
        complex64, (batch, 2, bins, frames) each.
    """
    gru = network.bottleneck
    # What goes from its first layer to its second one, a GRU of two layers doesn't tell.
    first = nn.GRU(gru.input_size, gru.hidden_size, batch_first=True)
    first.load_state_dict({n: p for n, p in gru.state_dict().items() if n.endswith("_l0")})
    sums: dict[str, Tensor] = {}

    def add(name: str, heard: Tensor) -> None:
        rows = heard.flatten(0, -2).double()
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
        sums[name] = sums.get(name, 0) + rows.T @ rows

    def add_bottleneck(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        add("bottleneck.weight_ih_l0", given[0])
        add("bottleneck.weight_ih_l1", first(given[0])[0])

    def add_projection(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        add("projection.weight", given[0])

    hooks = [
        gru.register_forward_pre_hook(add_bottleneck),
        network.projection.register_forward_pre_hook(add_projection),
    ]
    for mixture in mixtures:
        network.logits(planes(mixture))
    for hook in hooks:
        hook.remove()
    return {name: _inputs(total) for name, total in sums.items()}


def _inputs(total: Tensor) -> InputStatistics:
    """Tell mean and spread from the sums of products of inputs and of a one at their end."""
    moments = total / total[-1, -1]
    mean = moments[:-1, -1]
    sizes, directions = torch.linalg.eigh(moments[:-1, :-1] - torch.outer(mean, mean))
    return InputStatistics(mean, directions * sizes.clamp_min(LEAST * sizes.max()).sqrt())


def truncate_rank(
    weights: dict[str, Tensor], rank: int, inputs: Mapping[str, InputStatistics]
) -> dict[str, Tensor]:
    """Return a network's weights with `PRODUCTS` of a rank, and their biases to match.

    A bias takes what the lost directions give on average.

    Parameters
    ----------
    weights
        By the names of a `CausalUNet`'s parameters; left as they are.
    inputs
        What each of `PRODUCTS` multiplies, by its name.

    Raises
    ------
    KeyError
        If they are another network's.
    """
    changed = dict(weights)
    for name, bias in PRODUCTS.items():
        weight, (mean, spread) = weights[name], inputs[name]
        near = nearest_of_rank(weight.double(), rank, spread)
        changed[name] = near.to(weight.dtype)
        changed[bias] = (weights[bias] + (weight - near) @ mean).to(weight.dtype)
    return changed


def nearest_of_rank(weight: Tensor, rank: int, spread: Tensor) -> Tensor:
    """Return the matrix of a rank whose products of inputs of this spread are nearest.

    By Eckart and Young (1936) of what it makes of inputs that have been made alike in all
    directions.

    Parameters
    ----------
    weight
        float64, (outputs, inputs).
    spread
        float64, (inputs, inputs), of full rank; see `InputStatistics`.

    Returns
    -------
    Tensor
        Like ``weight``.
    """
    left, sizes, right = torch.linalg.svd(weight @ spread, full_matrices=False)
    alike = (left[:, :rank] * sizes[:rank]) @ right[:rank]
    nearest: Tensor = torch.linalg.solve(spread, alike, left=False)
    return nearest
