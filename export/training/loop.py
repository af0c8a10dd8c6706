"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch.nn.functional import mse_loss

from export.data.audio import Audio
from export.features import log1p_magnitude, make_window, stft
from export.network import NetworkConfig, VocalModel
from export.training.checkpoint import (
    BEST_NAME,
    LAST_NAME,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from export.training.config import TrainConfig, learning_rate_factor
from export.training.validate import Pairs, stack, validate

SAVE_SECONDS = 120.0


class Sampler(Protocol):
    """Where training pairs come from: a pure function of step and position."""

    def sample(self, step: int, position: int, batch_size: int) -> tuple[Audio, Audio]:
        """Return mixture and target waveforms."""


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
class Trainer:
    """Trains one network into one folder.

    Attributes
    ----------
    folder
        Gets ``last.pt`` every two minutes and at the end, ``best.pt`` whenever the validation
        loss falls.
    report
        Called after each step with the share that is over and the step's loss.
    validated
        Called after each validation with its record.
    """

    config: TrainConfig
    sampler: Sampler
    valid_pairs: Pairs
    folder: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bf16: bool = False
    report: Callable[[float, int, float], None] = lambda share, step, loss: None
    validated: Callable[[dict[str, float]], None] = lambda record: None

    def run(self, budget: Budget, *, resume: bool = False) -> Checkpoint:
        """Train until the budget is spent.

        Parameters
        ----------
        resume
            Go on from ``last.pt``; its recipe replaces ``config``.

        Returns
        -------
        Checkpoint
            The last one; the best one is in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        state = load_checkpoint(self.folder / LAST_NAME) if resume else self._fresh()
        model = VocalModel(state.network)
        model.load_state_dict(state.weights)
        model.to(self.device).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=self.config.learning_rate, fused=True)
        if state.optimizer:
            optimizer.load_state_dict(state.optimizer)
        window = make_window(self.config.window).to(self.device)
        begun, saved = time.monotonic() - state.seconds, time.monotonic()
        losses: list[float] = []
        while budget.share(state.step, state.seconds) < 1:
            share = budget.share(state.step, state.seconds)
            factor = learning_rate_factor(self.config.schedule, share)
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * factor
            losses.append(self._step(model, optimizer, window, state.step))
            state.step += 1
            state.seconds = time.monotonic() - begun
            share = budget.share(state.step, state.seconds)
            self.report(share, state.step, losses[-1])
            if state.step % self.config.valid_every == 0 or share >= 1:
                self._validate(state, model, window, losses)
                losses = []
            if time.monotonic() - saved > SAVE_SECONDS or share >= 1:
                self._capture(state, model, optimizer)
                save_checkpoint(self.folder / LAST_NAME, state)
                saved = time.monotonic()
        return state

    def _fresh(self) -> Checkpoint:
        torch.manual_seed(self.config.seed)
        network = NetworkConfig(width=self.config.width, head=self.config.head)
        return Checkpoint(network, self.config, VocalModel(network).state_dict())

    def _step(
        self, model: VocalModel, optimizer: torch.optim.Optimizer, window: torch.Tensor, step: int
    ) -> float:
        size = self.config.batch_size
        pairs = [self.sampler.sample(step, i, size) for i in range(size)]
        mixture, target = stack(pairs, self.device)
        features = log1p_magnitude(stft(mixture, window))
        wanted = log1p_magnitude(stft(target, window))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            estimate = model(features)
        loss = mse_loss(estimate.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        optimizer.step()
        return loss.item()

    def _validate(
        self, state: Checkpoint, model: VocalModel, window: torch.Tensor, losses: list[float]
    ) -> None:
        scores = validate(model, self.valid_pairs, window, min(self.config.batch_size, 16))
        valid_loss = scores.pop("loss")
        record = {
            "step": state.step,
            "minutes": state.seconds / 60,
            "train_loss": sum(losses) / max(len(losses), 1),
            "valid_loss": valid_loss,
            **scores,
        }
        state.history.append(record)
        # The validation loss decides. The training loss of the last batch, which the tutorial
        # compared by mistake, is noise that always favours learning by heart.
        if valid_loss < state.best_loss:
            state.best_loss = valid_loss
            self._capture(state, model, None)
            save_checkpoint(self.folder / BEST_NAME, state)
        self.validated(record)

    @staticmethod
    def _capture(
        state: Checkpoint, model: VocalModel, optimizer: torch.optim.Optimizer | None
    ) -> None:
        state.weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        state.optimizer = optimizer.state_dict() if optimizer else {}
