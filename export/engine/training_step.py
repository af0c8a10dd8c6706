"""One step of a recipe: the loss of its batch, and the weights a little further down."""

from __future__ import annotations

from typing import Any, cast

from lightning_fabric import Fabric
from torch import Tensor

from export.engine.rng import seed_torch_at
from export.engine.task import TrainingTask


class TrainingStep:
    """Takes a task's steps, on its device and together with other processes.

    Parameters
    ----------
    fabric
        As of `export.engine.fabric.make_fabric`.
    task
        As it is to go on: restored, if it is.
    """

    def __init__(self, fabric: Fabric, task: TrainingTask) -> None:
        self._fabric, self._task = fabric, task
        self._network, self._optimizer = fabric.setup(task.network, task.optimizer)
        ranks = fabric.world_size
        #: Of a step's whole batch, what this process takes: one item of as many as there are ranks.
        self.places = range(fabric.global_rank, ranks * task.batch_size, ranks)

    def __call__(self, batch: Any, step: int, learning_rate: float) -> float:
        """Take a step.

        Parameters
        ----------
        batch
            The task's batch of this step and of `places`.
        step
            Counted from 0, over all parts of a run.
        learning_rate
            By the schedule: the task's times a factor.

        Returns
        -------
        float
            The loss before the step: the mean of all processes'.
        """
        fabric, task = self._fabric, self._task
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        seed_torch_at(task.seed, step, fabric.global_rank)  # what dropout draws
        loss = task.loss(self._network, fabric.to_device(batch), step, self.places)
        self._optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(
            self._network, self._optimizer, max_norm=task.clip_norm, error_if_nonfinite=False
        )
        self._optimizer.step()
        if task.ema is not None:
            task.ema.update_parameters(task.model)
        mean = cast(Tensor, fabric.all_reduce(loss.detach(), reduce_op="mean"))
        return mean.item()
