"""Items for a network with a prior: mixes drawn at random, and what the prior says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from export.augment.effects import random_equalizer_gains
from export.constants import BINS, SAMPLE_RATE
from export.data.audio import Audio
from export.engine.rng import generator_at
from export.engine.torch_stft import istft, make_window, stft
from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
from export.recipes.live.prior import EVERY_CHANCES, PriorItem, make_item
from streamsep.separation.backend import OnnxBackend

DRAWS = 77  # in the place of a position in a batch: what is drawn for an item beside its mix
# Of items with nothing above some frequency: old or cheap recordings.
NARROW_CHANCE, NARROW_HZ = 0.12, (4_500, 12_000)
PEAK = 0.99


def write_items(
    folder: Path, mixer: StereoMixer, prior: OnnxBackend, count: int, seed: int
) -> Iterator[Path]:
    """Write the items of a seed that aren't there yet, and yield each.

    Parameters
    ----------
    folder
        Gets files ``{seed}_{number}.npz``: further seeds add to it.
    prior
        A model of masks over magnitudes.
    count
        Items of this seed in all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{seed}_{number}.npz"
        if not path.exists():
            draw_item(mixer, prior, seed, number).save(path)
            yield path


def draw_item(mixer: StereoMixer, prior: OnnxBackend, seed: int, number: int) -> PriorItem:
    """Return an item: a function of seed and number alone."""
    rng = generator_at(seed, number, DRAWS)
    sources = shape_sources(rng, mixer.sample(number, 0))
    every = int(rng.choice(list(EVERY_CHANCES), p=list(EVERY_CHANCES.values())))
    return make_item(sources, prior, every, int(rng.integers(every)))


def shape_sources(rng: np.random.Generator, sources: Audio) -> Audio:
    """Give each source, (2, 2, ITEM_SAMPLES), an equaliser, and some items a narrow band.

    None is louder than `PEAK` then: items are kept as integers.
    """
    window = make_window("sqrt_hann")
    gains = torch.from_numpy(random_equalizer_gains(rng, len(sources), BINS))
    spectra = stft(torch.from_numpy(sources), window) * gains[:, None, :, None]
    if rng.random() < NARROW_CHANCE:
        spectra[..., int(rng.uniform(*NARROW_HZ) / (SAMPLE_RATE / 2) * BINS) :, :] = 0
    shaped: Audio = istft(spectra, window, ITEM_SAMPLES).numpy()
    return shaped * np.float32(PEAK / max(PEAK, float(np.abs(shaped).max())))
