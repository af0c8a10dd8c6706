"""Random generators that are functions of where a run stands.

No state of theirs needs saving to resume a run, nor do processes that draw batches share any: the
same seed, step and position give the same draws, whatever was drawn before.
"""

from __future__ import annotations

import numpy as np
import torch

# In the place of a position in the batch: what is drawn once for all of a step.
STEP_EQUALIZERS = 10**6
STEP_LENGTH = 10**7


def generator_at(seed: int, step: int, *position: int) -> np.random.Generator:
    """Return numpy's generator for a step, or for a position in its batch.

    Parameters
    ----------
    position
        The place in the batch, and where several things are drawn for it, a number for each.
    """
    return np.random.default_rng([seed, step, *position])


def seed_torch_at(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's global generators, of which dropout draws, for one step of one process."""
    torch.manual_seed(rank * 10**12 + seed * 10**6 + step)
