"""Which models are to work together over files: their estimates blended, or one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from streamsep.errors import ArgumentError, ModelError
from streamsep.separation.separator import Separator, SeparatorFactory

BLENDS = ("mean", "max", "min")

Source = Path | EntryPoint | SeparatorFactory


@dataclass(frozen=True, slots=True)
class Combination:
    """Models that separate together; `load_separator` makes one separator of them.

    Attributes
    ----------
    models
        Those whose estimates are blended, two or more; or one, with a ``second``.
    blend
        One of `BLENDS`; None of one model.
    second
        A model for a second pass: it takes the vocals that are left out of the beat.

    Raises
    ------
    ArgumentError
        If these don't go together.
    """

    models: tuple[Source, ...]
    blend: str | None = None
    second: Source | None = None

    def __post_init__(self) -> None:
        """Refuse what doesn't go together."""
        if self.blend is not None and self.blend not in BLENDS:
            raise ArgumentError(
                f"the blend is {self.blend!r}",
                expected=" or ".join(map(repr, BLENDS)),
                remedy="choose one of these",
            )
        if self.blend is not None and len(self.models) < 2:
            raise ArgumentError(
                f"one model alone was to be blended by {self.blend}",
                expected="two models or more",
                remedy="name another one too, or no blend",
            )
        if len(set(self.models)) < len(self.models):
            raise ArgumentError(
                "the same model was named twice",
                expected="different models to blend",
                remedy="name each once",
            )


def combined(
    models: Sequence[Source], *, blend: str | None = None, second: Source | None = None
) -> Source | Combination:
    """Return what is to be loaded: a model alone, or several in a Combination.

    Parameters
    ----------
    models
        One or more.
    blend, second
        See `Combination`; several models that nothing is said of are blended by their mean.

    Raises
    ------
    ArgumentError
        If these don't go together.
    """
    if not models:
        raise ArgumentError(
            "no model was named", expected="one or more", remedy="name one, such as 'studio'"
        )
    if len(models) == 1 and blend is None and second is None:
        return models[0]
    if len(models) > 1 and blend is None:
        blend = BLENDS[0]
    return Combination(tuple(models), blend, second)


def check_same_sound(separators: Sequence[Separator]) -> None:
    """Refuse separators of different sample rates or channels.

    Raises
    ------
    ModelError
        If one differs from the first.
    """
    first = separators[0].spec
    for other in separators[1:]:
        spec = other.spec
        if (spec.sample_rate, spec.channels) != (first.sample_rate, first.channels):
            raise ModelError(
                f"{spec.name} is for {spec.sample_rate} Hz and {spec.channels} channels, "
                f"{first.name} for {first.sample_rate} Hz and {first.channels}",
                expected="models for the same sound",
                remedy="choose another model",
            )
