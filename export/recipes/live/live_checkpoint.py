"""Checkpoints of the live network, and the names that things in older files had.

What is renamed in the code goes on being read: `PARAMETERS`, `CONSTANTS` and `FIELDS` say what a
checkpoint's weights, a model file's constants and a recipe's fields were called before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from export.engine.checkpoint import read_content

Value = TypeVar("Value")

# Patterns of old names and what they are now; the first that matches counts.
PARAMETERS = (
    (r"^memories\.(\d+)\.place$", r"band_recurrences.\1.band_embedding"),
    (r"^memories\.", "band_recurrences."),
    (r"^gru\.", "bottleneck."),
    (r"^back\.", "projection."),
)
CONSTANTS = (
    (r"^memory(\d+)_place$", r"band\1_embedding"),
    (r"^memory(\d+)_", r"band\1_"),
    (r"^gru(\d)_narrow$", r"bottleneck\1_factor"),
    (r"^gru(\d)_", r"bottleneck\1_"),
    (r"^back_narrow$", "projection_factor"),
    (r"^back_", "projection_"),
)
FIELDS = ((r"^memory_levels$", "recurrent_levels"),)


def read_live_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint of whatever network, with today's names if it is a live one's.

    Raises
    ------
    CheckpointError
        As of `export.engine.checkpoint.read_content`.
    """
    return with_current_names(read_content(path))


def with_current_names(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a live checkpoint's content with its weights and its recipe under today's names."""
    renamed = dict(content)
    for weights in ("model", "average"):
        if weights in content:
            renamed[weights] = _renamed(content[weights], PARAMETERS)
    if "network" in content.get("recipe", {}):
        network = _renamed(content["recipe"]["network"], FIELDS)
        renamed["recipe"] = {**content["recipe"], "network": network}
    return renamed


def current_constant(name: str) -> str:
    """Return what a model file's constant of this name is called today."""
    return _current(name, CONSTANTS)


def _renamed(named: Mapping[str, Value], patterns: tuple[tuple[str, str], ...]) -> dict[str, Value]:
    return {_current(name, patterns): value for name, value in named.items()}


def _current(name: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for old, new in patterns:
        if re.search(old, name):
            return re.sub(old, new, name)
    return name
