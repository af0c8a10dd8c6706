"""What decides a live network's training, and how a checkpoint keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from export.data.stem_names import check_stems
from export.recipes.live.live_checkpoint import with_current_names
from export.recipes.live.network import CausalConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the result.

    Attributes
    ----------
    stems
        What to tell apart, by the names of the tracks' files; the network has two masks each.
    """

    network: CausalConfig = field(default_factory=CausalConfig)
    stems: tuple[str, ...] = ("vocals",)
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 3e-2
    clip_norm: float = 1.0
    seed: int = 0
    valid_every: int = 200
    valid_items: int = 48

    def __post_init__(self) -> None:
        check_stems(self.stems)
        if self.network.masks != 2 * len(self.stems):
            raise ValueError(f"{self.network.masks} masks for {len(self.stems)} stems")


def read_recipe(state: dict[str, Any]) -> Recipe:
    """Return the recipe that `LiveTask.state` kept."""
    fields = dict(with_current_names(state)["recipe"])
    kept: dict[str, Any] = fields.pop("network")
    network: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
    # Not kept at first.
    network.setdefault("fine", False)
    fields["stems"] = tuple(fields.get("stems", ("vocals",)))
    return Recipe(network=CausalConfig(**network), **fields)
