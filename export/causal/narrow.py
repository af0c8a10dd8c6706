"""The products around the memory at the bottom, of as low a rank as they are needed.

Three of five weights are there, and of what they could pass on little is used: most of the trained
matrices' singular values do nothing. A product of low rank is two small ones (Xue, Li and Gong
2013), and so `export.causal.graph` writes it: a hop at the bottom does little more than read its
weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.training.checkpoint import build_from, read_content

PRODUCTS = ("gru.weight_ih_l0", "gru.weight_ih_l1", "back.weight")
RANK = 96


def narrow(path: Path, rank: int = RANK) -> dict[str, Any]:
    """Return a checkpoint's content with the averaged network's products of a rank.

    Their shapes stay, so that it can be blended, and trained on: which makes them full again.

    Raises
    ------
    CheckpointError
        If it can't be read, or is no live network's.
    """
    content = read_content(path)
    return {**content, "average": build_from(path, content, lambda c: of_rank(c["average"], rank))}


def of_rank(weights: dict[str, Tensor], rank: int = RANK) -> dict[str, Tensor]:
    """Return a network's weights with `PRODUCTS` of a rank.

    Raises
    ------
    KeyError
        If they are another network's.
    """
    return weights | {name: nearest(weights[name], rank) for name in PRODUCTS}


def nearest(weight: Tensor, rank: int) -> Tensor:
    """Return the nearest matrix of a rank (Eckart and Young 1936)."""
    left, sizes, right = torch.linalg.svd(weight.double(), full_matrices=False)
    return ((left[:, :rank] * sizes[:rank]) @ right[:rank]).to(weight.dtype)
