"""The tutorial's network with its weights, as a checkpoint keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from export.engine.checkpoint import build_from, read_content
from export.recipes.tutorial.network import NetworkConfig, VocalModel
from export.recipes.tutorial.train_config import TrainConfig


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
