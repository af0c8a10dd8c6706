"""Checkpoints: all that a run needs to go on as if it had never stopped.

There is no random state to keep: draws are functions of seed and step.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from export.errors import CheckpointError

SCHEMA = 2
LAST_NAME = "last.pt"
BEST_NAME = "best.pt"
REMEDY = "name a .pt file that 'python -m export train' wrote"

Made = TypeVar("Made")


def write_content(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    torch.save({"schema": SCHEMA, **content}, partial)
    partial.replace(path)


def read_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it can run code.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or from another version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(
            f"{path} can't be read ({error})", expected="a checkpoint", remedy=REMEDY
        ) from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint or damaged", expected="a checkpoint", remedy=REMEDY
        ) from error
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
        raise CheckpointError(
            f"{path} is no checkpoint of this version", expected=f"schema {SCHEMA}", remedy=REMEDY
        )
    return content


def build_from(path: Path, content: dict[str, Any], make: Callable[[dict[str, Any]], Made]) -> Made:
    """Make something of a checkpoint's content.

    Raises
    ------
    CheckpointError
        When a field is missing, miscalled or of another network.
    """
    try:
        return make(content)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} lacks or miscalls a field ({error})", expected="a checkpoint", remedy=REMEDY
        ) from error
