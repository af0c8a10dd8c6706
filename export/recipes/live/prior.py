"""Training with a prior: items with the masks that a slow network would have given live."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.constants import BINS, HOP_LENGTH, N_FFT, SAMPLE_RATE
from export.data.audio import Audio
from export.engine.torch_stft import stft
from export.errors import DataError
from export.recipes.live.features import planes, prior_planes
from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
from export.recipes.live.task import LiveTask
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.two_speed import MaskPrior
from streamsep.spec import ModelSpec

ITEM_HOPS = ITEM_SAMPLES // HOP_LENGTH
PIECE_HOPS = 44  # of most items; see `export.recipes.live.task`
ABSENT_CHANCE = 0.15  # of items whose prior says nothing, as on machines that are too slow for it
LATE_CHANCE = 0.15  # of items all of whose masks come a hop later
FRESH_SHARE = 0.3  # of items: mixes without masks, of which there is no end
WHOLE_CHANCE = 0.25  # of batches of whole items
LEVEL_DB = 6.0
EVERY_CHANCES = {2: 0.35, 4: 0.65}  # hops between a prior's runs; half as many cost half the time


@dataclass(frozen=True, slots=True)
class PriorItem:
    """A mix and what a prior thought of it.

    Attributes
    ----------
    sources
        Vocals and the rest, int16, (2, 2, ITEM_SAMPLES).
    masks
        Of the newest frame of each run, of the follower's bins, uint8, (runs, 2, 1025).
    every, first
        Hops between runs, and the hop of the first one.
    """

    sources: NDArray[np.int16]
    masks: NDArray[np.uint8]
    every: int
    first: int

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, x=self.sources, m=self.masks, e=self.every, ph=self.first)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> PriorItem:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If it is missing, damaged, or holds something else.
        """
        try:
            with np.load(path) as kept:
                return cls(kept["x"], kept["m"], int(kept["e"]), int(kept["ph"]))
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} is no item ({error})",
                expected="a file of 'python -m export prior-items'",
                remedy="remove it, and draw it again",
            ) from error

    def newest(self, first: int, count: int, late: int) -> Tensor:
        """Return the masks known at each hop, float32 (2, 1025, count); 0.5 before the first.

        A run is over by the hop after the one it began with, and ``late`` hops later.
        """
        hops = np.arange(first, first + count) - 1 - late
        run = np.minimum((hops - self.first) // self.every, len(self.masks) - 1)
        known = torch.from_numpy(self.masks[np.maximum(run, 0)].astype(np.float32) / 255)
        known[torch.from_numpy(run < 0)] = 0.5
        return known.permute(1, 2, 0)


def make_item(sources: Audio, prior: OnnxBackend, every: int, first: int) -> PriorItem:
    """Run a prior over a mix as it would be live.

    Parameters
    ----------
    sources
        Vocals and the rest, float32, (2, 2, ITEM_SAMPLES).
    prior
        A model of masks over magnitudes.
    every, first
        See `PriorItem`.
    """
    mixture = sources.sum(0)
    heard = MaskPrior(prior, every, wait=True, first=first)
    masks = []
    for hop in range(ITEM_HOPS + 1):
        block = mixture[:, hop * HOP_LENGTH : (hop + 1) * HOP_LENGTH]
        heard.hear(np.pad(block, ((0, 0), (0, HOP_LENGTH - block.shape[1]))))
        if hop >= first and (hop - first) % every == 0:
            heard.collect()
            masks.append(heard.masks.copy())
    heard.reset()
    whole = np.round(sources * 32_767).astype(np.int16)
    return PriorItem(whole, np.round(np.stack(masks) * 255).astype(np.uint8), every, first)


def check_prior(spec: ModelSpec) -> None:
    """Refuse a model whose masks aren't what a live network's prior gives.

    Raises
    ------
    DataError
        If its stems, rate, hop or transform are others.
    """
    its = (spec.stems, spec.channels, spec.sample_rate, spec.hop_length, spec.n_fft)
    wanted = (("vocals",), 2, SAMPLE_RATE, HOP_LENGTH, 2 * N_FFT)
    if its != wanted or (spec.feature, spec.output) != ("magnitude", "mask"):
        raise DataError(
            f"{spec.name} can't be a prior",
            expected=f"stereo masks of the vocals over magnitudes, {SAMPLE_RATE} Hz, "
            f"n_fft {2 * N_FFT}, hop {HOP_LENGTH}",
            remedy="name a model that 'python -m export studio' wrote",
        )


class TwoSpeedTask(LiveTask):
    """As `LiveTask`, with items of a folder beside fresh mixes.

    Parameters
    ----------
    items, valid_items
        Folders of `PriorItem` files; new ones may come while it learns.
    others
        As of `LiveTask`.

    Raises
    ------
    DataError
        If a folder has no items.
    """

    def __init__(self, items: Path, valid_items: Path, *others: Any, **options: Any) -> None:
        self._items, self._valid_items = items, valid_items
        for folder in (items, valid_items):
            if not any(folder.glob("*.npz")):
                raise DataError(
                    f"no items in {folder}",
                    expected="files of 'python -m export prior-items'",
                    remedy="make them first",
                )
        super().__init__(*others, **options)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return sources (batch, 2, 2, samples) and the prior's planes (batch, 2, 1025, hops)."""
        rng = np.random.default_rng([self.recipe.seed, step, 10**7])
        hops = ITEM_HOPS if rng.random() < WHOLE_CHANCE else PIECE_HOPS
        if step % 200 == 0 or not hasattr(self, "_paths"):
            self._paths = sorted(self._items.glob("*.npz"))
        fresh = rng.random(self.recipe.batch_size) < FRESH_SHARE
        drawn = [
            self._fresh(self._train, step, place, hops, rng) if is_fresh else self._kept(hops, rng)
            for place, is_fresh in enumerate(fresh)
        ]
        sources, masks = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        return sources, masks

    def _fresh(
        self, mixer: StereoMixer, step: int, place: int, hops: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        first = int(rng.integers(ITEM_HOPS - hops + 1)) * HOP_LENGTH
        sources = mixer.sample(step, place)[..., first : first + hops * HOP_LENGTH]
        return torch.from_numpy(np.ascontiguousarray(sources)), torch.zeros(2, BINS, hops + 1)

    def _kept(self, hops: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        item = PriorItem.load(self._paths[rng.integers(len(self._paths))])
        first = int(rng.integers(ITEM_HOPS - hops + 1))
        part = item.sources[..., first * HOP_LENGTH : (first + hops) * HOP_LENGTH]
        gain = 10 ** (rng.uniform(-LEVEL_DB, LEVEL_DB) / 20) / 32_767
        sources = torch.from_numpy(part.astype(np.float32) * np.float32(gain))
        prior = prior_planes(item.newest(first, hops + 1, int(rng.random() < LATE_CHANCE)))
        if rng.random() < ABSENT_CHANCE:
            prior = torch.zeros_like(prior)
        if rng.random() < 0.5:
            sources, prior = sources.flip(1), prior.flip(0)
        return sources, prior

    def train_step(self, batch: Any, step: int, learning_rate: float) -> float:
        """Take one step and return its loss."""
        self._prior = batch[1]
        return super().train_step(batch[0], step, learning_rate)

    def spectra(self, first: int, count: int) -> Iterator[Tensor]:
        """Yield the mixtures of steps, complex64 (batch_size, 2, bins, frames) each."""
        for step in range(first, first + count):
            sources, self._prior = self.batch(step)
            yield self._spectra(sources, step)[0]

    def features(self, mixture: Tensor) -> Tensor:
        """Return what the network is given of the newest batch, mixtures and prior."""
        return torch.cat([planes(mixture), self._prior.to(mixture.device)], 1)

    def _held_out_items(self) -> Iterator[Tensor]:
        paths = sorted(self._valid_items.glob("*.npz"))
        size = self.recipe.batch_size
        for start in range(0, self.recipe.valid_items, size):
            items = [PriorItem.load(paths[i % len(paths)]) for i in range(start, start + size)]
            self._prior = torch.stack([prior_planes(i.newest(0, ITEM_HOPS + 1, 0)) for i in items])
            yield torch.stack(
                [torch.from_numpy(i.sources.astype(np.float32) / 32_767) for i in items]
            )

    def _spectra(self, sources: Tensor, step: int) -> tuple[Tensor, Tensor]:
        spectra = stft(sources.to(self._device), self._window)
        return spectra.sum(1), spectra[:, :1]
