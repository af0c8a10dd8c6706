"""What a recipe gives the training loop: batches, a step, a validation, and what to keep."""

from __future__ import annotations

from typing import Any, Protocol


class TrainingTask(Protocol):
    """A network and how it is trained: all that the loop doesn't know.

    Attributes
    ----------
    learning_rate
        Before the schedule's factor.
    schedule
        A name of `export.engine.schedule.SCHEDULES`.
    valid_every
        Steps from one validation to the next.
    """

    learning_rate: float
    schedule: str
    valid_every: int

    def batch(self, step: int) -> Any:
        """Return the data of a step.

        It is a function of the step alone, whatever was asked for before; it is called on another
        thread, or in another process.
        """

    def train_step(self, batch: Any, step: int, learning_rate: float) -> float:
        """Take one step of the optimiser.

        Parameters
        ----------
        batch
            What `batch` returned for this step.
        step
            Counted from 0, over all parts of a run.
        learning_rate
            By the schedule: `learning_rate` times a factor.

        Returns
        -------
        float
            The loss before the step.
        """

    def validate(self) -> dict[str, float]:
        """Score held-out tracks.

        Returns
        -------
        dict
            ``loss``, whose lowest value decides which checkpoint is the best, and scores by name.
        """

    def state(self) -> dict[str, Any]:
        """Return everything that is learnt, and what it takes to go on.

        Only what `torch.load` reads with ``weights_only``: tensors, numbers, texts and containers.
        """

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        KeyError, RuntimeError, TypeError, ValueError
            If it is another task's; the loop makes a `CheckpointError` of them.
        """
