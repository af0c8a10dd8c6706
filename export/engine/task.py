"""What a recipe gives the training loop: a network, batches, a loss, a validation, what to keep."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from export.engine.draw import Draw


class TrainingTask(Protocol):
    """A network and how it is taught: all that the loop doesn't know.

    Attributes
    ----------
    model
        What learns. `restore` may put another one in its place, with its optimiser and its EMA.
    network
        What `loss` calls: the model, or `export.engine.ema.Logits` of it.
    ema
        Means of the model's weights, which the loop keeps up with it.
    batch
        What draws the data of a step. `restore` may put another one in its place.
    batch_size
        Items a step in each process.
    learning_rate
        Before the schedule's factor.
    schedule
        A name of `export.engine.schedule.SCHEDULES`.
    clip_norm
        The longest gradient.
    seed
        Of what the network draws: dropout.
    valid_every
        Steps from one validation to the next.
    """

    learning_rate: float
    schedule: str
    valid_every: int
    batch_size: int
    clip_norm: float
    seed: int

    @property
    def model(self) -> nn.Module: ...  # noqa: D102

    @property
    def network(self) -> nn.Module: ...  # noqa: D102

    @property
    def optimizer(self) -> Optimizer: ...  # noqa: D102

    @property
    def ema(self) -> AveragedModel | None: ...  # noqa: D102

    @property
    def batch(self) -> Draw: ...  # noqa: D102

    def loss(self, network: Any, batch: Any, step: int, places: range | None = None) -> Tensor:
        """Return the mean loss of a batch's items, a scalar with its gradient.

        Parameters
        ----------
        network
            `network` as the loop has wrapped it: its gradients are the mean of all processes'.
        batch
            What `batch` returned for this step and these places, on the model's device.
        step
            Counted from 0, over all parts of a run.
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
        """Take over what `state` returned, out of a checkpoint that has the ``step`` too.

        Raises
        ------
        KeyError, RuntimeError, TypeError, ValueError
            If it is another task's; the loop makes a `CheckpointError` of them.
        """
