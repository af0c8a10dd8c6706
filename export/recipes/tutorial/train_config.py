"""Everything a training run is told, kept in its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from export.data.stem_names import check_stems
from export.engine.schedule import SCHEDULES


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
