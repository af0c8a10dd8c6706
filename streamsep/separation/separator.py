"""The one object that live, offline, evaluation and tests all run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamsep.errors import ModelError
from streamsep.spec import SeparatorSpec
from streamsep.stem_names import BEAT, canonical_stem
from streamsep.types import Float32


class Separator(Protocol):
    """Turns blocks of a mixture into blocks of stems that sum to the delayed mixture.

    Nothing of what the properties say changes. Silence gives silence.
    """

    @property
    def spec(self) -> SeparatorSpec:
        """What it is; for a model file its whole ModelSpec."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of what `process` gives, two or more; the last one is what the others leave."""

    @property
    def block_size(self) -> int:
        """Samples per call, N."""

    @property
    def delay(self) -> int:
        """Samples by which the output of a call trails its input."""

    @property
    def slack(self) -> int:
        """Samples of time that a run may take beyond its block; live waits at least so long.

        0 where a session's own slack will do; a plugin may leave it out, which means that.
        """

    @property
    def provider(self) -> str:
        """Where it runs, e.g. ``CPU`` or ``CUDA``."""

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) float32 into ``out`` (S, C, N) float32, which is overwritten."""

    def reset(self) -> None:
        """Start anew, as if nothing had been heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatorOptions:
    """What a plugin is told when a separator is asked of it.

    Attributes
    ----------
    device
        ``"auto"``, ``"cuda"`` (to be refused with a BackendError where it can't be had) or
        ``"cpu"``.
    offline
        Nobody waits for the sound: long blocks and look-ahead cost nothing.
    """

    device: str = "auto"
    offline: bool = False


class SeparatorFactory(Protocol):
    """What an entry point of the group ``streamsep.separators`` names."""

    def __call__(self, options: SeparatorOptions) -> Separator:
        """Return a separator of its own for whoever asks."""


def gains_for(stem: str, stems: tuple[str, ...]) -> dict[str, float]:
    """Return the gains that make ``stem`` out of a separator's ``stems``.

    The beat, by whichever of its names, is everything but the vocals, whatever else a model
    tells apart.

    Raises
    ------
    ModelError
        If the model can't give it.
    """
    name = canonical_stem(stem, stems)
    if name in stems:
        return {name: 1.0}
    if name == BEAT and "vocals" in stems:
        return {other: 1.0 for other in stems if other != "vocals"}
    raise ModelError(
        f"this model gives {', '.join(stems)} and no {stem}",
        expected=f"a model that tells {stem} apart",
        remedy="choose another model, or one of its stems",
        settings=("model",),
    )


def stem_gains(names: Sequence[str], stems: tuple[str, ...]) -> Float32:
    """Return (names, S): how the stems asked for are made of a separator's ``stems``.

    Raises
    ------
    ModelError
        If the model can't give one of them.
    """
    gains = [gains_for(name, stems) for name in names]
    return np.array([[gain.get(stem, 0.0) for stem in stems] for gain in gains], np.float32)
