"""Training the live model."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.causal.features import planes
from export.causal.loss import separation_loss
from export.causal.mixing import StereoMixer
from export.causal.network import CausalConfig, CausalUNet
from export.errors import CheckpointError
from export.features import istft, make_window, stft
from export.training.config import learning_rate_factor
from export.training.loop import Budget
from export.training.metrics import usdr
from export.training.validate import AUDIBLE_RMS, level

SCHEMA = 1
SAVE_SECONDS = 120.0
AVERAGE = 0.998  # of the weights, an exponential mean over about 500 steps
AHEAD = 3  # batches
EQ_POINTS = 8
EQ_DB = 6.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the result."""

    network: CausalConfig = field(default_factory=CausalConfig)
    batch_size: int = 8
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    seed: int = 0
    valid_every: int = 200
    valid_items: int = 48


class Run:
    """One training run in one folder, resumable.

    Parameters
    ----------
    folder
        Gets ``last.pt`` every two minutes and at each validation.
    train, valid
        Where items come from.
    validated
        Called after each validation with its record.
    report
        Called after each step with the share that is over, the step and its loss.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, train: StereoMixer, valid: StereoMixer,
        validated: Callable[[dict[str, float]], None],
        report: Callable[[float, int, float], None] = lambda share, step, loss: None,
        *, device: torch.device | None = None,
    ) -> None:  # fmt: skip
        self.recipe, self.folder, self._train, self._valid = recipe, folder, train, valid
        self._validated, self._report = validated, report
        self._device = device or torch.device("cpu")
        torch.manual_seed(recipe.seed)
        self.model = CausalUNet(recipe.network).to(self._device)
        self.average = CausalUNet(recipe.network).to(self._device)
        self.average.load_state_dict(self.model.state_dict())
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._window = make_window("sqrt_hann").to(self._device)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Go on from ``last.pt``.

        Raises
        ------
        CheckpointError
            If there is none.
        """
        path = self.folder / "last.pt"
        if not path.exists():
            raise CheckpointError(
                f"no {path}", expected="a run to go on with", remedy="leave out --resume"
            )
        content: dict[str, Any] = torch.load(path, map_location=self._device, weights_only=True)
        self.model.load_state_dict(content["model"])
        self.average.load_state_dict(content["average"])
        self._optimizer.load_state_dict(content["optimizer"])
        self.step, self.seconds = content["step"], content["seconds"]
        self.history = content["history"]

    def run(self, budget: Budget) -> None:
        """Train until the budget is spent."""
        begun, saved = time.monotonic() - self.seconds, time.monotonic()
        losses: list[float] = []
        with closing(self._batches()) as batches:
            for voice, band in batches:
                share = budget.share(self.step, self.seconds)
                if share >= 1:
                    break
                rate = self.recipe.learning_rate * learning_rate_factor("cosine", share)
                for group in self._optimizer.param_groups:
                    group["lr"] = rate
                losses.append(self._learn(voice, band))
                self.step += 1
                self.seconds = time.monotonic() - begun
                self._report(budget.share(self.step, self.seconds), self.step, losses[-1])
                if self.step % self.recipe.valid_every == 0:
                    self._look(losses)
                    losses = []
                if time.monotonic() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
        if losses:
            self._look(losses)
        self.save()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from a thread that reads ahead; a pure function of the step all the same."""
        size = self.recipe.batch_size
        with ThreadPoolExecutor(1, "streamsep-reader") as reader:
            steps = itertools.count(self.step)
            ahead = deque(
                reader.submit(self._batch, self._train, next(steps), size) for _ in range(AHEAD)
            )
            try:
                while True:
                    yield ahead.popleft().result()
                    ahead.append(reader.submit(self._batch, self._train, next(steps), size))
            finally:
                reader.shutdown(cancel_futures=True)

    def _batch(self, mixer: StereoMixer, step: int, size: int) -> tuple[Tensor, Tensor]:
        items = [mixer.sample(step, position) for position in range(size)]
        voice, band = (torch.from_numpy(np.stack(side)) for side in zip(*items, strict=True))
        return voice, band

    def _spectra(self, voice: Tensor, band: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return mixture and voice, each side through an equaliser of its own."""
        rng = np.random.default_rng([self.recipe.seed, step, 10**6])
        sides = []
        for side in (voice, band):
            spectrum = stft(side.to(self._device), self._window)
            curves = random_curves(rng, len(side), spectrum.shape[2])
            sides.append(spectrum * torch.from_numpy(curves).to(self._device)[:, None, :, None])
        return sides[0] + sides[1], sides[0]

    def _learn(self, voice: Tensor, band: Tensor) -> float:
        mixture, target = self._spectra(voice, band, self.step)
        loss = separation_loss(mixture, self.model(planes(mixture)), target)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self._optimizer.step()
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
        return loss.item()

    @torch.no_grad()
    def _look(self, losses: list[float]) -> None:
        """Validate the averaged weights on fixed items of held-out tracks."""
        size = self.recipe.batch_size
        total: list[float] = []
        scores: dict[str, list[float]] = {"usdr_target": [], "usdr_rest": [], "usdr_untouched": []}
        for start in range(0, self.recipe.valid_items, size):
            voice, band = self._batch(self._valid, start, size)
            mixture = stft((voice + band).to(self._device), self._window)
            target = stft(voice.to(self._device), self._window)
            masks = self.average(planes(mixture))
            total.append(separation_loss(mixture, masks, target).item())
            heard = istft(mixture * masks, self._window, voice.shape[-1]).cpu()
            both = [
                i for i in range(size)
                if min(level(side[i]).min() for side in (voice, band)) > AUDIBLE_RMS
            ]  # fmt: skip
            for i in both:
                song = voice[i] + band[i]
                for name, truth, guess in (
                    ("usdr_target", voice[i], heard[i]),
                    ("usdr_rest", band[i], song - heard[i]),
                    ("usdr_untouched", band[i], song),
                ):
                    scores[name].append(float(usdr(truth.flatten(), guess.flatten())))
        record = {
            "step": self.step, "minutes": self.seconds / 60,
            "train_loss": float(np.mean(losses)), "valid_loss": float(np.mean(total)),
            **{name: float(np.mean(values)) for name, values in scores.items() if values},
        }  # fmt: skip
        self.history.append(record)
        self.save()
        self._validated(record)

    def save(self) -> None:
        """Write ``last.pt`` whole or not at all."""
        content = {
            "schema": SCHEMA, "recipe": asdict(self.recipe), "model": self.model.state_dict(),
            "average": self.average.state_dict(), "optimizer": self._optimizer.state_dict(),
            "step": self.step, "seconds": self.seconds, "history": self.history,
        }  # fmt: skip
        partial = self.folder / "last.pt.partial"
        torch.save(content, partial)
        partial.replace(self.folder / "last.pt")


def random_curves(rng: np.random.Generator, count: int, bins: int) -> np.ndarray:
    """Return (count, bins) float32 gains: a few decibels, smooth over octaves, by chance."""
    places = np.log2(1 + np.arange(bins))
    knots = np.linspace(0, places[-1], EQ_POINTS)
    levels = rng.uniform(-EQ_DB, EQ_DB, (count, EQ_POINTS))
    levels *= rng.random((count, 1)) < 0.7
    curves = [np.interp(places, knots, level) for level in levels]
    return (10 ** (np.stack(curves) / 20)).astype(np.float32)
