"""Excerpts of prepared tracks: where they start, and which one is whose turn.

All randomness here is a pure function of (seed, step, position in the batch). Nothing needs
saving to resume a training run, and no two runs of one seed differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.constants import EXCERPT_SAMPLES, SAMPLE_RATE
from export.data.audio import Audio, read_part
from export.data.manifest import Track
from export.errors import DataError

SPACING_SECONDS = 0.5
TARGETS = ("vocals", "other", "accompaniment")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``EXCERPT_SAMPLES`` samples of a track from sample ``start`` on."""

    track: Track
    start: int


def has_target(track: Track, target: str) -> bool:
    """Say whether a mixture of this track and the target in it are both known."""
    if target == "other":
        return "other" in track.files
    return track.kind in ("song", "accompaniment")


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


def read_pair(folder: Path, excerpt: Excerpt, target: str) -> tuple[Audio, Audio]:
    """Read an excerpt's mixture and target.

    Returns
    -------
    tuple of ndarray
        Two float32 arrays of shape (2, EXCERPT_SAMPLES). A vocal-free track is its own
        mixture, and its vocals are silence.
    """

    def part(name: str) -> Audio:
        return read_part(folder / excerpt.track.files[name], excerpt.start, EXCERPT_SAMPLES)

    vocal_free = excerpt.track.kind == "accompaniment"
    mixture = part("accompaniment" if vocal_free else "mixture")
    if target == "vocals" and vocal_free:
        return mixture, np.zeros_like(mixture)
    return mixture, mixture if target == "accompaniment" and vocal_free else part(target)


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


class ExcerptSampler:
    """Every excerpt of the true songs once an epoch, in an order that the seed decides."""

    def __init__(self, folder: Path, tracks: Sequence[Track], target: str, seed: int) -> None:
        self._folder, self._target, self._seed = folder, target, seed
        self._excerpts = list_excerpts([t for t in tracks if has_target(t, target)])
        if not self._excerpts:
            raise DataError(
                f"no track to train '{target}' on", expected="songs with this stem",
                remedy="prepare some, or choose another --target",
            )  # fmt: skip
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __len__(self) -> int:
        """Excerpts in an epoch."""
        return len(self._excerpts)

    def sample(self, step: int, position: int, batch_size: int) -> tuple[Audio, Audio]:
        """Return mixture and target, float32 of shape (EXCERPT_SAMPLES,), of one batch place."""
        epoch, index = divmod(step * batch_size + position, len(self._excerpts))
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self))
            self._epoch = epoch
        rng = np.random.default_rng([self._seed, step, position, 1])
        pair = read_pair(self._folder, self._excerpts[self._order[index]], self._target)
        mixture, target = pick_channel(rng, *pair)
        return mixture, target
