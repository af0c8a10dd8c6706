"""The live network and how it is taught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from export.augment.effects import random_equalizer_gains
from export.constants import HOP_LENGTH
from export.engine.muon import Muon
from export.engine.rng import STEP_EQUALIZERS, STEP_LENGTH, generator_at, seed_torch_at
from export.engine.torch_stft import make_window, stft
from export.recipes.live import mixing
from export.recipes.live.evaluator import evaluate, held_out_items
from export.recipes.live.features import planes
from export.recipes.live.live_checkpoint import with_current_names
from export.recipes.live.loss import batch_loss
from export.recipes.live.mixing import StereoMixer, draw_items
from export.recipes.live.network import ADDED, CausalUNet
from export.recipes.live.recipe import Recipe, read_recipe

# Frames of a step's items, by chance: most steps are short, which makes three of one.
ITEM_FRAMES = (44, 44, 44, mixing.ITEM_FRAMES)
PIECES = 2  # of each item that a short step takes: drawing one costs a tenth of learning from it
AVERAGE = 0.999  # of the weights, an exponential mean over about 1,000 steps
CALIBRATION_ITEMS, CALIBRATION_STEP = 128, 10**8  # of steps of their own
SECOND_RUN_RATE = 0.5  # of the recipe's, for weights that have learnt already
# Some steps are seen through the window of the variant that answers sooner: one network is both.
FAST_HOP, FAST_SHARE = 256, 0.35


class LiveTask:
    """Random stereo mixes, the loss of `export.recipes.live.loss`, averaged weights.

    Parameters
    ----------
    recipe
        That of a checkpoint replaces it on `restore`.
    train, valid
        Where items come from.
    bf16
        Multiply in bfloat16: nearly twice as fast on processors that have it.
    """

    schedule = "cosine"

    def __init__(
        self,
        recipe: Recipe,
        train: StereoMixer,
        valid: StereoMixer,
        *,
        device: torch.device | None = None,
        bf16: bool = False,
    ) -> None:
        self._train, self._valid, self._bf16 = train, valid, bf16
        self._device = device or torch.device("cpu")
        self._window = make_window("sqrt_hann").to(self._device)
        self._fast_window = make_window("asymmetric", hop_length=FAST_HOP).to(self._device)
        self._set_up(recipe)

    def _set_up(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.learning_rate, self.valid_every = recipe.learning_rate, recipe.valid_every
        torch.manual_seed(recipe.seed)
        self.model = CausalUNet(recipe.network).to(self._device)
        if self._bf16:  # of 32-bit convolutions this order makes slower ones
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = CausalUNet(recipe.network).to(self._device).eval()
        self.average.load_state_dict(self.model.state_dict())
        self._optimizer = Muon(
            self.model, [self.model.head], recipe.learning_rate, recipe.weight_decay
        )

    def start_from(self, content: dict[str, Any]) -> None:
        """Begin with the averaged weights of a checkpoint, at a gentler rate.

        Band recurrences and the fine spectrum, if it lacks them, begin as they are made: adding
        nothing. So do the later frames of skips, where this network looks ahead and that one
        doesn't.

        Raises
        ------
        ValueError
            If it is of another network.
        """
        content = with_current_names(content)
        for network in (self.model, self.average):
            weights = look_no_further(content["average"], network)
            lacking, unknown = network.load_state_dict(weights, strict=False)
            if unknown or any(not name.startswith(ADDED) for name in lacking):
                raise ValueError(f"weights of another network: {(unknown or lacking)[0]}")
        rate = self.recipe.learning_rate * SECOND_RUN_RATE
        self.recipe = replace(self.recipe, learning_rate=rate)  # what is resumed goes on so
        self.learning_rate = rate

    def batch(self, step: int) -> Tensor:
        """Return stems and what is in none of them, float32 (batch_size, S + 1, 2, samples)."""
        rng, size = generator_at(self.recipe.seed, step, STEP_LENGTH), self.recipe.batch_size
        count = int(rng.choice(ITEM_FRAMES)) * HOP_LENGTH
        if count == mixing.ITEM_SAMPLES:
            return draw_items(self._train, step, size)
        items = draw_items(self._train, step, -(-size // PIECES))
        between = mixing.ITEM_SAMPLES // PIECES
        first = int(rng.integers(between - count + 1))
        starts = [first + i * between for i in range(PIECES)]
        pieces = torch.cat([items[..., start : start + count] for start in starts])
        return pieces[:size]

    def train_step(self, batch: Tensor, step: int, learning_rate: float) -> float:
        """Take one step of the optimiser and of the averaged weights, and return its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        mixture, stems = self._spectra(batch, step)
        seed_torch_at(self.recipe.seed, step)  # what dropout draws
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits = self.model.logits(self.features(mixture))
        loss = batch_loss(logits.float(), mixture, stems)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self._optimizer.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            # All of them in one call: on a GPU a call each takes longer than the sums.
            means: list[Tensor] = list(self.average.parameters())
            now: list[Tensor] = list(self.model.parameters())
            torch._foreach_lerp_(means, now, 1 - keep)
        return loss.item()

    @torch.no_grad()
    def recalibrate_batch_norm(self) -> None:
        """Measure anew what the averaged network's batch norms divide by.

        The running statistics of the network that learns belong to other weights, and to its last
        few batches: with them the same averaged weights score up to a decibel lower.
        """
        norms = [m for m in self.average.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
            norm.train()
        for mixture in self.calibration_batches():
            self.average.logits(self.features(mixture))
        self.average.eval()

    def calibration_batches(self) -> Iterator[Tensor]:
        """Yield mixtures as of `spectra`: enough of them to measure what training meets."""
        return self.spectra(CALIBRATION_STEP, -(-CALIBRATION_ITEMS // self.recipe.batch_size))

    def spectra(self, first: int, count: int) -> Iterator[Tensor]:
        """Yield the mixtures of steps, complex64 (batch_size, 2, bins, frames) each."""
        for step in range(first, first + count):
            yield self._spectra(draw_items(self._train, step, self.recipe.batch_size), step)[0]

    def features(self, mixture: Tensor) -> Tensor:
        """Return what the network is given of the mixtures of a batch."""
        return planes(mixture)

    def _held_out_items(self) -> Iterator[Tensor]:
        """Yield fixed items of held-out tracks, as `batch` returns those to learn from."""
        return held_out_items(self._valid, self.recipe.valid_items, self.recipe.batch_size)

    def _spectra(self, sources: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return mixture (batch, 2, bins, frames) and stems (batch, S, 2, bins, frames).

        Each source has gone through an equaliser of its own.
        """
        rng = generator_at(self.recipe.seed, step, STEP_EQUALIZERS)
        window = self._fast_window if rng.random() < FAST_SHARE else self._window
        sides = []
        for side in sources.unbind(1):
            spectrum = stft(side.to(self._device), window)
            curves = random_equalizer_gains(rng, len(side), spectrum.shape[2])
            sides.append(spectrum * torch.from_numpy(curves).to(self._device)[:, None, :, None])
        return reduce(torch.add, sides), torch.stack(sides[:-1], 1)

    def validate(self) -> dict[str, float]:
        """Recalibrate the averaged network's batch norms and `score` it."""
        self.recalibrate_batch_norm()
        return self.score()

    def score(self) -> dict[str, float]:
        """Score the averaged weights on fixed items of held-out tracks.

        Returns
        -------
        dict
            As of `export.recipes.live.evaluator.evaluate`.
        """
        items = self._held_out_items()
        return evaluate(self.average, items, self._window, self.features)

    def state(self) -> dict[str, Any]:
        """Return the recipe, the weights, their mean and the optimiser's state."""
        return {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on by the recipe of a checkpoint."""
        state = with_current_names(state)
        self._set_up(read_recipe(state))
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])


def look_no_further(weights: dict[str, Tensor], network: CausalUNet) -> dict[str, Tensor]:
    """Return weights with the skips' kernels as long as the network's: zeros for later frames.

    Parameters
    ----------
    weights
        By the names of the network's parameters; of a network that looks no further ahead.
    """
    fitted = dict(weights)
    for name, wanted in network.named_parameters():
        kernel = weights.get(name)
        if name.endswith("skip.weight") and kernel is not None:
            fitted[name] = pad(kernel, (0, 0, 0, max(0, wanted.shape[2] - kernel.shape[2])))
    return fitted
