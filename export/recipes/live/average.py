"""Two runs' weights become one network's: the mean, where the second began with the first's.

Weights that were trained on from one another still do their work when they are averaged, and on
songs unlike the training's the mean is often better than either (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.engine.checkpoint import build_from
from export.errors import CheckpointError
from export.recipes.live.live_checkpoint import read_live_content
from export.recipes.live.network import ADDED


def average_checkpoints(first: Path, second: Path, share: float = 0.5) -> dict[str, Any]:
    """Return a checkpoint's content with the mean of both averaged networks.

    Band recurrences and the fine spectrum, if one lacks them, are the other's there but add
    nothing: such runs began so.

    Parameters
    ----------
    share
        Weight of the second in the mean, 0 to 1.

    Raises
    ------
    CheckpointError
        If one can't be read, or they aren't two of one live network.
    """
    contents = [read_live_content(path) for path in (first, second)]
    one, two = (
        build_from(path, content, lambda c: dict(c["average"]))
        for path, content in zip((first, second), contents, strict=True)
    )
    one, two = _with_added(one, two), _with_added(two, one)
    if _shapes(one) != _shapes(two):
        raise CheckpointError(
            f"{first} and {second} are of different networks",
            expected="two runs of one network",
            remedy="average a run with the one it began from",
        )
    mean = {
        name: torch.lerp(weight, two[name], share) if weight.is_floating_point() else weight
        for name, weight in one.items()
    }
    larger = max(reversed(contents), key=lambda content: len(content["average"]))
    return {**larger, "average": mean}


def _with_added(weights: dict[str, Tensor], others: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with what only the others have of `ADDED` parts, adding nothing."""
    added = {
        name: torch.zeros_like(weight) if ".out." in name else weight
        for name, weight in others.items()
        if name not in weights and name.startswith(ADDED)
    }
    return weights | added


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}
