"""The training loop, for every network there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lightning_fabric import Fabric

from export.engine.batches import draw_ahead, workers_watched
from export.engine.checkpoint import BEST_NAME, LAST_NAME, build_from, read_content, write_content
from export.engine.fabric import make_fabric
from export.engine.schedule import learning_rate_factor
from export.engine.task import TrainingTask
from export.engine.training_step import TrainingStep

SAVE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop, whichever comes first, counted over all resumed parts of a run."""

    steps: int | None = None
    minutes: float | None = None

    def share(self, step: int, seconds: float) -> float:
        """Return the share of the run that is over; 1 or more means stop."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / max(self.steps, 1))
        if self.minutes is not None:
            shares.append(seconds / 60 / max(self.minutes, 1e-9))
        return max(shares)


@dataclass(slots=True)
class Progress:
    """How far a run has come.

    Attributes
    ----------
    seconds
        Time trained so far, over all resumed parts.
    history
        One record a validation: step, minutes, losses, scores.
    """

    step: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class Trainer:
    """Teaches one task into one folder.

    Of several processes each learns from items of its own, and all have the same weights after
    each step; the first, of rank 0, alone writes, validates and calls `validated`.

    Attributes
    ----------
    folder
        Gets ``last.pt`` every two minutes, at each validation and at the end, ``best.pt``
        whenever the validation loss falls.
    report
        Called after each step with the share that is over, the step and its loss.
    validated
        Called after each validation with the progress so far.
    fabric
        The processes and this one's device. [default: this process alone, on the CPU]
    workers
        Processes that draw batches; with none a thread does. A process doesn't wait for the
        interpreter, which many batches a second need; each gets what draws the task's batches.
    """

    task: TrainingTask
    folder: Path
    report: Callable[[float, int, float], None] = lambda share, step, loss: None
    validated: Callable[[Progress], None] = lambda progress: None
    workers: int = 0
    fabric: Fabric = field(default_factory=make_fabric)

    def run(self, budget: Budget, *, resume: bool = False) -> Progress:
        """Train until the budget is spent, from ``last.pt`` on if told to resume.

        Raises
        ------
        CheckpointError
            If there is nothing to resume, or another task's run.
        DataError
            If a process that draws batches dies, or gives none for ten minutes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        done = self._resume() if resume else Progress()
        train = TrainingStep(self.fabric, self.task)
        begun, saved = time.monotonic() - done.seconds, time.monotonic()
        losses: list[float] = []
        batches = draw_ahead(self.task.batch, done.step, train.places, self.workers)
        with workers_watched(), closing(batches):
            while (share := budget.share(done.step, done.seconds)) < 1:
                factor = learning_rate_factor(self.task.schedule, share)
                rate = self.task.learning_rate * factor
                losses.append(train(next(batches), done.step, rate))
                done.step, done.seconds = done.step + 1, time.monotonic() - begun
                if budget.minutes is not None:  # no two clocks are the same, and all stop together
                    done.seconds = self.fabric.broadcast(done.seconds)
                share = budget.share(done.step, done.seconds)
                self.report(share, done.step, losses[-1])
                if done.step % self.task.valid_every == 0 or share >= 1:
                    if self.fabric.is_global_zero:
                        self._validate(done, losses)
                    self.fabric.barrier()
                    losses, saved = [], time.monotonic()
                elif time.monotonic() - saved > SAVE_SECONDS:
                    self._save(LAST_NAME, done)
                    saved = time.monotonic()
        return done

    def _validate(self, done: Progress, losses: list[float]) -> None:
        scores = self.task.validate()
        valid_loss = scores.pop("loss")
        train_loss = sum(losses) / max(len(losses), 1)
        done.history.append(
            {
                "step": done.step,
                "minutes": done.seconds / 60,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                **scores,
            }
        )
        # The validation loss decides. The training loss of the last batch, which the tutorial
        # compared by mistake, is noise that always favours learning by heart.
        if valid_loss < done.best_loss:
            done.best_loss = valid_loss
            self._save(BEST_NAME, done)
        self._save(LAST_NAME, done)
        self.validated(done)

    def _save(self, name: str, done: Progress) -> None:
        if self.fabric.is_global_zero:
            write_content(self.folder / name, {**self.task.state(), **asdict(done)})

    def _resume(self) -> Progress:
        path = self.folder / LAST_NAME
        content = read_content(path)
        build_from(path, content, self.task.restore)
        return Progress(**{name: content[name] for name in Progress.__dataclass_fields__})
