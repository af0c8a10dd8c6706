"""Signals that tests feed in: seeded, music-like in spectrum and level."""

import numpy as np


def music(seconds: float, *, sample_rate: int = 44_100, channels: int = 2, seed: int = 0):
    """Decaying chords over pink-ish noise, (C, N) float32, peak 0.5."""
    rng = np.random.default_rng(seed)
    count = round(seconds * sample_rate)
    time = np.arange(count) / sample_rate
    sound = np.cumsum(rng.standard_normal((channels, count)), axis=-1)
    sound -= np.linspace(sound[:, :1], sound[:, -1:], count, axis=-1)[:, 0]
    sound *= 0.1 / max(np.abs(sound).max(), 1e-9)
    for pitch in rng.uniform(80, 2_000, 12):
        start = rng.uniform(0, seconds)
        after = np.maximum(time - start, 0.0)
        tone = np.sin(2 * np.pi * pitch * time) * np.exp(-3 * after) * (time >= start)
        sound += tone * rng.uniform(0.1, 0.5, (channels, 1))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)
