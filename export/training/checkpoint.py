"""Checkpoints: all that a run needs to go on as if it had never stopped.

There is no random state to keep: draws are functions of seed and step.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from export.errors import CheckpointError
from export.network import NetworkConfig, VocalModel
from export.training.config import TrainConfig

SCHEMA = 2
LAST_NAME = "last.pt"
BEST_NAME = "best.pt"
REMEDY = "name a .pt file that 'python -m export train' wrote"

Made = TypeVar("Made")


def write_content(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    torch.save({"schema": SCHEMA, **content}, partial)
    partial.replace(path)


def read_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it can run code.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or from another version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(
            f"{path} can't be read ({error})", expected="a checkpoint", remedy=REMEDY
        ) from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint or damaged", expected="a checkpoint", remedy=REMEDY
        ) from error
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
        raise CheckpointError(
            f"{path} is no checkpoint of this version", expected=f"schema {SCHEMA}", remedy=REMEDY
        )
    return content


def build_from(path: Path, content: dict[str, Any], make: Callable[[dict[str, Any]], Made]) -> Made:
    """Make something of a checkpoint's content.

    Raises
    ------
    CheckpointError
        When a field is missing, miscalled or of another network.
    """
    try:
        return make(content)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} lacks or miscalls a field ({error})", expected="a checkpoint", remedy=REMEDY
        ) from error


@dataclass(slots=True)
class Checkpoint:
    """A trained network of the tutorial's kind."""

    network: NetworkConfig
    train: TrainConfig
    weights: dict[str, torch.Tensor]
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def build(self) -> VocalModel:
        """Return the network with these weights, in evaluation mode."""
        model = VocalModel(self.network)
        model.load_state_dict(self.weights)
        return model.eval()


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of the tutorial's network.

    Raises
    ------
    CheckpointError
        As `read_content` and `build_from` say.
    """
    return build_from(
        path,
        read_content(path),
        lambda c: Checkpoint(
            NetworkConfig(**c["network"]),
            TrainConfig.from_dict(c["train"]),
            c["weights"],
            c["step"],
            c["history"],
        ),
    )
