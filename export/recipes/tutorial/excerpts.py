"""Excerpts of prepared tracks: where they start, and which one is whose turn.

All randomness here is a pure function of (seed, step, position in the batch). Nothing needs
saving to resume a training run, and no two runs of one seed differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.constants import EXCERPT_SAMPLES, SAMPLE_RATE
from export.data.audio import Audio, Folder, read_part
from export.data.manifest import Track
from export.data.track_pools import tracks_with
from export.engine.rng import generator_at

SPACING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``EXCERPT_SAMPLES`` samples of a track from sample ``start`` on."""

    track: Track
    start: int


def list_excerpts(tracks: Sequence[Track]) -> list[Excerpt]:
    """Return the whole excerpts of every track, one every ``SPACING_SECONDS``.

    A track shorter than an excerpt gives one, to be filled up with silence.
    """
    spacing = round(SPACING_SECONDS * SAMPLE_RATE)
    return [
        Excerpt(track, start)
        for track in tracks
        for start in range(0, max(track.samples - EXCERPT_SAMPLES, 0) + 1, spacing)
    ]


def read_excerpt(folder: Folder, excerpt: Excerpt, stems: Sequence[str]) -> tuple[Audio, ...]:
    """Read an excerpt's mixture and then its stems.

    Returns
    -------
    tuple of ndarray
        float32 arrays of shape (2, EXCERPT_SAMPLES), one more than ``stems``. A vocal-free
        track is its own mixture, and its vocals are silence.
    """

    def part(name: str) -> Audio:
        return read_part(folder / excerpt.track.files[name], excerpt.start, EXCERPT_SAMPLES)

    files = excerpt.track.files
    mixture = part("mixture" if "mixture" in files else "accompaniment")
    return mixture, *(part(s) if s in files else np.zeros_like(mixture) for s in stems)


def pick_channel(rng: np.random.Generator, *stereo: Audio) -> tuple[Audio, ...]:
    """Take left, right or their mean, the same of each: the network hears one channel at a time.

    Parameters
    ----------
    stereo
        float32, shape (2, samples).

    Returns
    -------
    tuple of ndarray
        float32, shape (samples,).
    """
    which = rng.integers(3)
    return tuple(s.mean(axis=0) if which == 2 else s[which] for s in stereo)


def mono_excerpt(
    rng: np.random.Generator, folder: Folder, excerpt: Excerpt, stems: Sequence[str]
) -> tuple[Audio, Audio]:
    """Read one channel of an excerpt: mixture (EXCERPT_SAMPLES,), stems (S, EXCERPT_SAMPLES)."""
    mixture, *parts = pick_channel(rng, *read_excerpt(folder, excerpt, stems))
    return mixture, np.stack(parts)


class ExcerptSampler:
    """Every excerpt of the true songs once an epoch, in an order that the seed decides."""

    def __init__(
        self, folder: Folder, tracks: Sequence[Track], stems: Sequence[str], seed: int
    ) -> None:
        self._folder, self._stems, self._seed = folder, stems, seed
        self._excerpts = list_excerpts(tracks_with(tracks, stems))
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __len__(self) -> int:
        """Excerpts in an epoch."""
        return len(self._excerpts)

    def sample(self, step: int, position: int, batch_size: int) -> tuple[Audio, Audio]:
        """Return mixture (EXCERPT_SAMPLES,) and stems (S, EXCERPT_SAMPLES) of one batch place."""
        epoch, index = divmod(step * batch_size + position, len(self._excerpts))
        if epoch != self._epoch:
            self._order = generator_at(self._seed, epoch).permutation(len(self))
            self._epoch = epoch
        rng = generator_at(self._seed, step, position, 1)
        excerpt = self._excerpts[self._order[index]]
        return mono_excerpt(rng, self._folder, excerpt, self._stems)
