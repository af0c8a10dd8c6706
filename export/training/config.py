"""Everything a training run is told, kept in its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from export.errors import DataError
from streamsep.spec import STEM_NAME

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe. What isn't about the result (device, threads, paths) is no part of it.

    Attributes
    ----------
    stems
        What to estimate, by the names of the tracks' files; see `check_stems`.
    window
        Analysis window, ``"sqrt_hann"`` or ``"hann"``.
    mix
        Train on random mixes instead of the true songs alone.
    schedule
        ``"constant"``, or ``"cosine"``: warm-up, then down to a fiftieth at the end of the
        steps or minutes that were given.
    valid_excerpts
        True excerpts per validation; with ``mix`` as many fixed mixes come on top.
    """

    stems: tuple[str, ...] = ("vocals",)
    window: str = "sqrt_hann"
    width: float = 1.0
    head: str = "direct"
    batch_size: int = 64
    learning_rate: float = 1e-4
    schedule: str = "constant"
    mix: bool = False
    seed: int = 0
    valid_every: int = 200
    valid_excerpts: int = 64
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        check_stems(self.stems)
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule {self.schedule!r}")

    def to_dict(self) -> dict[str, object]:
        """Return the fields for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> TrainConfig:
        """Return what `to_dict` kept; once there was one stem, called the target."""
        fields = dict(kept)
        if "target" in fields:
            fields["stems"] = (fields.pop("target"),)
        return cls(**fields | {"stems": tuple(fields["stems"])})


def check_stems(stems: Sequence[str]) -> None:
    """Refuse stems that no model can have together.

    Raises
    ------
    DataError
        For none, for two of one name, for names that can't be part of a file's, and for those
        that hold others: the mixture, its rest, and the accompaniment beside its parts.
    """
    fits = bool(stems) and len(set(stems)) == len(stems)
    fits &= all(STEM_NAME.fullmatch(stem) for stem in stems)
    fits &= not {"mixture", "rest"}.intersection(stems)
    if not fits or ("accompaniment" in stems and not {"accompaniment", "vocals"}.issuperset(stems)):
        raise DataError(
            f"the stems {', '.join(stems) or 'none'} can't be told apart",
            expected="different names of letters, digits, '_' and '-', not mixture or rest, and "
            "accompaniment only alone or with vocals",
            remedy="choose others with --stems",
        )


WARM_UP_SHARE = 0.03
FINAL_SHARE = 0.02


def learning_rate_factor(schedule: str, done: float) -> float:
    """Return what to multiply the learning rate by.

    Parameters
    ----------
    done
        Share of the run that is over, 0 to 1.
    """
    import math

    if schedule == "constant":
        return 1.0
    if done < WARM_UP_SHARE:
        return max(done / WARM_UP_SHARE, 0.01)
    fall = (min(done, 1.0) - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * fall))
