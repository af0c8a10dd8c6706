"""What a recipe gives the training loop: batches, a step, a validation, and what to keep."""

from __future__ import annotations

from typing import Any, Protocol


class TrainingTask(Protocol):
    """A network and how it is taught: all that the loop doesn't know."""

    learning_rate: float
    schedule: str
    valid_every: int

    def batch(self, step: int) -> Any:
        """Return the data of a step: a function of the step alone, called on another thread."""

    def train_step(self, batch: Any, step: int, learning_rate: float) -> float:
        """Take one step and return its loss."""

    def validate(self) -> dict[str, float]:
        """Return the ``loss`` on held-out tracks and scores beside it."""

    def state(self) -> dict[str, Any]:
        """Return everything that is learnt, and what it takes to go on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
