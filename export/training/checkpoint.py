"""Checkpoints: all that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from export.errors import CheckpointError
from export.network import NetworkConfig, VocalModel
from export.training.config import TrainConfig

SCHEMA = 1
LAST_NAME = "last.pt"
BEST_NAME = "best.pt"


@dataclass(slots=True)
class Checkpoint:
    """The state of a run after ``step`` steps.

    There is no random state to keep: draws are functions of seed and step (see
    ``data.excerpts``), and the network has no dropout.

    Attributes
    ----------
    seconds
        Time trained so far, over all resumed parts.
    history
        One record a validation: step, losses, scores.
    """

    network: NetworkConfig
    train: TrainConfig
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)

    def build(self) -> VocalModel:
        """Return the network with these weights, in evaluation mode."""
        model = VocalModel(self.network)
        model.load_state_dict(self.weights)
        return model.eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all."""
    content = {
        "schema": SCHEMA,
        "network": checkpoint.network.to_dict(),
        "train": checkpoint.train.to_dict(),
        "weights": checkpoint.weights,
        "optimizer": checkpoint.optimizer,
        "step": checkpoint.step,
        "seconds": checkpoint.seconds,
        "best_loss": checkpoint.best_loss,
        "history": checkpoint.history,
    }
    partial = path.with_name(path.name + ".partial")
    torch.save(content, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it can run code.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or from another version.
    """
    remedy = "name a .pt file that 'python -m export train' wrote"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} can't be read ({error})", expected="a checkpoint",
                              remedy=remedy) from error  # fmt: skip
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path} is not a checkpoint or damaged", expected="a checkpoint",
                              remedy=remedy) from error  # fmt: skip
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
        raise CheckpointError(f"{path} is no checkpoint of this version",
                              expected=f"schema {SCHEMA}", remedy=remedy)  # fmt: skip
    try:
        content["network"] = NetworkConfig(**content["network"])
        content["train"] = TrainConfig(**content["train"])
        return Checkpoint(**content)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} lacks or miscalls a field ({error})",
                              expected="a checkpoint", remedy=remedy) from error  # fmt: skip
