"""Everything a training run is told, kept in its checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from export.data.excerpts import TARGETS

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe. What isn't about the result (device, threads, paths) is no part of it.

    Attributes
    ----------
    target
        Stem to estimate, one of ``TARGETS``.
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

    target: str = "vocals"
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
        if self.target not in TARGETS or self.schedule not in SCHEDULES:
            raise ValueError(f"target {self.target!r}, schedule {self.schedule!r}")

    def to_dict(self) -> dict[str, object]:
        """Return the fields for a checkpoint."""
        return asdict(self)


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
