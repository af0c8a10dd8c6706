"""How Spleeter's U-Net is taught further: mixes in, masks whose error is small in decibels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from export.constants import SAMPLE_RATE
from export.data.track_pools import SONG, VOCAL_FREE, VOICE_ONLY, MixShares
from export.engine.draw import Mixer, draw_items
from export.engine.ema import Logits, make_ema, restore_ema
from export.recipes.spleeter.features import N_FFT, stft, to_bins, to_rows
from export.recipes.spleeter.network import STRIDE, SpleeterUNet
from export.recipes.spleeter.pair import Pair

WINDOW = 2 * STRIDE  # frames of an item; its samples fill one less, which is left empty
# More true songs than for a network that begins with nothing: this one has heard many voices, and
# what it is taught is to part them from what they were recorded with.
SHARES = MixShares(
    items={SONG: 0.45, VOCAL_FREE: 0.15, VOICE_ONLY: 0.04},
    songs={"song": 0.85, "rendered": 0.15},
    voices={"song": 0.5, "voice": 0.3, "sung": 0.1, "rendered": 0.04, "speech": 0.06},
    bands={"song": 0.22, "accompaniment": 0.58, "rendered": 0.20},
)
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
    """What decides a run, beside its data and its time.

    Attributes
    ----------
    shares
        What items are, and what they are made of.
    anchor
        Weight of the loss against a pair's estimates, beside that against the true vocals: what
        the weights know of songs that aren't here then stays.
    """

    learning_rate: float = 3.5e-5
    batch_size: int = 6
    seed: int = 0
    valid_items: int = 48
    valid_every: int = 200
    clip_norm: float = 1.0
    shares: MixShares = field(default_factory=lambda: SHARES)
    anchor: float = 0.0


def read_recipe(state: dict[str, Any]) -> Recipe:
    """Return the recipe that `SpleeterTask.state` kept."""
    fields = dict(state["recipe"])
    return Recipe(**fields | {"shares": MixShares(**fields["shares"])})


class SpleeterTask:
    """Teaches a network that has learnt already.

    Parameters
    ----------
    recipe
        See there.
    network
        Where to begin.
    train, valid
        Where items come from: vocals and the rest, float32 (2, 2, samples).
    pair
        What it is held to if the recipe has an anchor. Checkpoints keep it: a run goes on with the
        one that it began with.
    """

    schedule = "cosine"

    def __init__(
        self,
        recipe: Recipe,
        network: SpleeterUNet,
        train: Mixer,
        valid: Mixer,
        pair: Pair | None = None,
        *,
        device: torch.device | None = None,
    ) -> None:
        if recipe.anchor and pair is None:
            raise ValueError("an anchor takes a pair of networks")
        self._valid = valid
        self.batch = partial(draw_items, train)
        self._device = device or torch.device("cpu")
        self._follow(recipe)
        self._pair = pair.to(self._device) if pair is not None and recipe.anchor else None
        self.model = network.to(self._device).train()
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = make_ema(self.model, AVERAGE)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), recipe.learning_rate, weight_decay=0.0
        )

    def _follow(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.learning_rate, self.valid_every = recipe.learning_rate, recipe.valid_every
        self.batch_size, self.clip_norm = recipe.batch_size, recipe.clip_norm
        self.seed = recipe.seed

    @property
    def network(self) -> nn.Module:
        """What `loss` calls."""
        return Logits(self.model)

    @property
    def average(self) -> SpleeterUNet:
        """The network with the averaged weights."""
        return cast(SpleeterUNet, self.ema.module)

    def loss(self, network: Any, batch: Tensor, step: int, places: range | None = None) -> Tensor:
        """Return the mean loss of a batch."""
        rng = np.random.default_rng([self.recipe.seed, step, 10**6])
        mixture, vocals = self._spectra(batch, rng, places or range(len(batch)))
        heard = rows(mixture)
        logits = to_bins(network(heard))
        loss = separation_loss(logits, mixture, vocals)
        if self._pair is not None:
            estimate = to_bins(self._pair.masks(heard)) * mixture
            loss = loss + self.recipe.anchor * separation_loss(logits, mixture, estimate)
        return loss

    def _spectra(
        self, batch: Tensor, rng: np.random.Generator, places: range
    ) -> tuple[Tensor, Tensor]:
        """Return mixture and vocals, complex64 (windows, 2, 2049, frames)."""
        spectra, windows = stft(batch), np.array(places)
        if rng.random() < SHORT_CHANCE:
            first, second = spectra[..., :STRIDE], spectra[..., -STRIDE:]
            spectra = torch.cat([first, second])
            windows = np.concatenate([windows, places.stop + windows])
        else:
            before = int(rng.random() < 0.5)
            spectra = pad(spectra, (before, WINDOW - spectra.shape[-1] - before))
        narrow = rng.random(places.stop * len(spectra) // len(batch)) < NARROW_CHANCE
        highest_hz = {int(window): rng.uniform(*NARROW_HZ) for window in np.flatnonzero(narrow)}
        for spectrum, window in zip(spectra, windows, strict=True):
            if hz := highest_hz.get(int(window)):
                spectrum[..., int(hz * N_FFT / SAMPLE_RATE) :, :] = 0
        return spectra.sum(1), spectra[:, 0]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Score the averaged weights on fixed items of held-out tracks."""
        losses, gains = [], []
        size = self.recipe.batch_size
        for start in range(0, self.recipe.valid_items, size):
            items = draw_items(self._valid, 0, range(start, start + size))
            stems = stft(items.to(self._device))
            stems = pad(stems, (0, WINDOW - stems.shape[-1]))
            mixture, vocals = stems.sum(1), stems[:, 0]
            logits = to_bins(self.average.logits(rows(mixture)))
            losses.append(separation_loss(logits, mixture, vocals).item())
            error = power(logits.sigmoid() * mixture - vocals).sum((1, 2, 3))
            rest, voice = (power(stems[:, i]).sum((1, 2, 3)) for i in (1, 0))
            both = (voice > 1e-3 * rest) & (rest > 1e-3 * voice)
            gains += (10 * torch.log10(voice / error))[both].tolist()
        # Items of which one side is silent have no uSDR.
        usdr = {"usdr_target": float(np.mean(gains))} if gains else {}
        return {"loss": float(np.mean(losses)), **usdr}

    def state(self) -> dict[str, Any]:
        """Return the recipe, the weights, their mean, the optimiser's memory and the pair."""
        pair = {} if self._pair is None else {"pair": self._pair.state_dict()}
        return {
            **pair,
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "averaged": int(self.ema.n_averaged),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._follow(read_recipe(state))
        self._pair = None
        if self.recipe.anchor:
            self._pair = Pair(SpleeterUNet(), SpleeterUNet()).to(self._device)
            self._pair.load_state_dict(state["pair"])
        self.model.load_state_dict(state["model"])
        # Not kept at first: one a step, and what the run began with.
        count = state["averaged"] if "averaged" in state else state["step"] + 1
        restore_ema(self.ema, state["average"], count)
        self.optimizer.load_state_dict(state["optimizer"])


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
    weights = torch.ones(logits.shape[-1], device=logits.device)
    weights[-EDGE_FRAMES:] = EDGE_WEIGHT
    weights /= weights.mean()
    whole, voice, rest = power(mixture), power(vocals), power(mixture - vocals)
    level = whole.mean((1, 2, 3), keepdim=True).clamp_min(1e-6)
    whole, voice, rest = whole / level, voice / level, rest / level
    overlap = (whole + voice - rest) / 2
    spectral = logits.new_zeros(())
    for part, shared, log_mask in (
        (voice, overlap, logsigmoid(logits)),
        (rest, whole - overlap, logsigmoid(-logits)),
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
