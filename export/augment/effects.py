"""Effects for augmentation: levels, speeds, rooms, doublings, equalisers, by a random generator."""

from __future__ import annotations

import numpy as np

EQ_POINTS = 8


EQ_DB = 6.0


def random_equalizer_gains(rng: np.random.Generator, count: int, bins: int) -> np.ndarray:
    """Return (count, bins) float32 gains: a few decibels, smooth over octaves, by chance."""
    places = np.log2(1 + np.arange(bins))
    knots = np.linspace(0, places[-1], EQ_POINTS)
    levels = rng.uniform(-EQ_DB, EQ_DB, (count, EQ_POINTS))
    levels *= rng.random((count, 1)) < 0.7
    curves = [np.interp(places, knots, level) for level in levels]
    return (10 ** (np.stack(curves) / 20)).astype(np.float32)
