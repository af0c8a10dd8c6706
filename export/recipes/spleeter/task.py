"""How Spleeter's U-Net is taught further: mixes in, masks whose error is small in decibels."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.constants import SAMPLE_RATE
from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
from export.recipes.spleeter.features import HOP_LENGTH, N_FFT, stft, to_bins, to_rows
from export.recipes.spleeter.network import STRIDE, SpleeterUNet

WINDOW = 2 * STRIDE  # frames of an item
# Frames that an item's samples fill; one more is left empty, before them or after.
HEARD = (ITEM_SAMPLES - N_FFT) // HOP_LENGTH + 1
NARROW_CHANCE = 0.15  # of items with nothing above some frequency: old or cheap recordings
NARROW_HZ = (5_000, 16_000)
SHORT_CHANCE = 0.5  # of batches of windows half as long: live, that is what there is
EDGE_FRAMES, EDGE_WEIGHT = 4, 3.0  # newest frames, which are heard nearly live
DECIBEL_WEIGHT = 0.06
DECIBEL_FLOOR = 1e-3
COMPLEX_WEIGHT = 0.5
TINY = 1e-8
AVERAGE = 0.998  # kept of the averaged weights at each step


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a run, beside its data and its time."""

    learning_rate: float = 1e-4
    batch_size: int = 6
    seed: int = 0
    valid_items: int = 48
    valid_every: int = 200
    clip_norm: float = 1.0


class SpleeterTask:
    """Teaches a network that has learnt already.

    Parameters
    ----------
    recipe
        See there.
    network
        Where to begin.
    train, valid
        Where items come from.
    """

    schedule = "cosine"

    def __init__(
        self, recipe: Recipe, network: SpleeterUNet, train: StereoMixer, valid: StereoMixer
    ) -> None:
        self.recipe, self._train, self._valid = recipe, train, valid
        self.learning_rate, self.valid_every = recipe.learning_rate, recipe.valid_every
        self.model = network.train()
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(self.model)
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), recipe.learning_rate, weight_decay=0.0
        )

    def batch(self, step: int) -> Tensor:
        """Return vocals and the rest, float32 (batch_size, 2, 2, samples)."""
        return self._draw(self._train, step, range(self.recipe.batch_size))

    def _draw(self, mixer: StereoMixer, step: int, places: Iterable[int]) -> Tensor:
        return torch.from_numpy(np.stack([mixer.sample(step, place) for place in places]))

    def train_step(self, batch: Tensor, step: int, learning_rate: float) -> float:
        """Take one step and return its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        rng = np.random.default_rng([self.recipe.seed, step, 10**6])
        mixture, vocals = self._spectra(batch, rng)
        loss = separation_loss(to_bins(self.model.logits(rows(mixture))), mixture, vocals)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self._optimizer.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.model.parameters()), 1 - keep
            )
        return loss.item()

    def _spectra(self, batch: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return mixture and vocals, complex64 (batch, 2, 2049, frames)."""
        spectra = stft(batch)
        if rng.random() < SHORT_CHANCE:
            first, second = spectra[..., :STRIDE], spectra[..., -STRIDE:]
            spectra = torch.cat([first, second])
        else:
            before = int(rng.random() < 0.5)
            spectra = torch.nn.functional.pad(spectra, (before, WINDOW - HEARD - before))
        narrow = rng.random(len(spectra)) < NARROW_CHANCE
        for item in np.flatnonzero(narrow):
            spectra[item, ..., int(rng.uniform(*NARROW_HZ) * N_FFT / SAMPLE_RATE) :, :] = 0
        return spectra.sum(1), spectra[:, 0]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Score the averaged weights on fixed items of held-out tracks."""
        losses, gains = [], []
        size = self.recipe.batch_size
        for start in range(0, self.recipe.valid_items, size):
            stems = stft(self._draw(self._valid, 0, range(start, start + size)))
            stems = torch.nn.functional.pad(stems, (0, WINDOW - HEARD))
            mixture, vocals = stems.sum(1), stems[:, 0]
            logits = to_bins(self.average.logits(rows(mixture)))
            losses.append(separation_loss(logits, mixture, vocals).item())
            error = power(logits.sigmoid() * mixture - vocals).sum((1, 2, 3))
            rest, voice = (power(stems[:, i]).sum((1, 2, 3)) for i in (1, 0))
            both = (voice > 1e-3 * rest) & (rest > 1e-3 * voice)
            gains += (10 * torch.log10(voice / error))[both].tolist()
        return {"loss": float(np.mean(losses)), "usdr_target": float(np.mean(gains))}

    def state(self) -> dict[str, Any]:
        """Return the recipe, the weights, their mean and the optimiser's memory."""
        return {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.recipe = Recipe(**state["recipe"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])


def rows(mixture: Tensor) -> Tensor:
    """Return the network's input, laid out as convolutions want it."""
    return to_rows(mixture.abs()).contiguous(memory_format=torch.channels_last)


def separation_loss(logits: Tensor, mixture: Tensor, vocals: Tensor) -> Tensor:
    """Return the mean loss of masks ``sigmoid(logits)`` that keep the mixture's phase.

    Squares of compressed spectra, of their magnitudes and with their phase, as in
    `export.recipes.live.loss`, for the vocals and for the rest; and each item's error in decibels,
    which is what uSDR counts, from a floor on.

    Parameters
    ----------
    logits
        (batch, 2, 2049, frames).
    mixture, vocals
        complex64, of the same shape.
    """
    weights = torch.ones(logits.shape[-1])
    weights[-EDGE_FRAMES:] = EDGE_WEIGHT
    weights /= weights.mean()
    whole, voice, rest = power(mixture), power(vocals), power(mixture - vocals)
    level = whole.mean((1, 2, 3), keepdim=True).clamp_min(1e-6)
    whole, voice, rest = whole / level, voice / level, rest / level
    overlap = (whole + voice - rest) / 2
    spectral = logits.new_zeros(())
    for part, shared, log_mask in (
        (voice, overlap, torch.nn.functional.logsigmoid(logits)),
        (rest, whole - overlap, torch.nn.functional.logsigmoid(-logits)),
    ):
        root = (whole * part + TINY**2).sqrt().sqrt()
        worth = root + COMPLEX_WEIGHT * shared / (root + TINY**0.5)
        spectral = spectral - 2 * ((log_mask / 2).exp() * worth * weights).mean()
    magnitudes = torch.stack([(p.sqrt() * weights).mean() for p in (whole, voice, rest)]).sum()
    spectral = spectral + (1 + COMPLEX_WEIGHT) * magnitudes
    masks = logits.sigmoid()
    error = masks * (masks * whole - 2 * overlap) + voice
    error = (error * weights).mean((1, 2, 3)).clamp_min(0)
    decibels = 10 * torch.log10(error / DECIBEL_FLOOR + 1)
    return spectral + DECIBEL_WEIGHT * decibels.mean()


def power(spectrum: Tensor) -> Tensor:
    """Return |X|²."""
    return spectrum.real.square() + spectrum.imag.square()
