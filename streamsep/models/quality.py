"""The built-in models by what they are worth, and whether their files are of use here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamsep.errors import ModelError
from streamsep.models.integrity import is_intact, model_files
from streamsep.models.library import BUILTIN, find_model
from streamsep.spec import SUFFIX

# The best one hears whole windows; the standard one answers at once, with the best one beside it
# where there is time and room for both; fast is the standard one with less of it to wait for; the
# others do with less.
BEST, STANDARD, ALONE = "studio", "live", "light"
AUTO = "auto"  # a model's name where the choice is ours
BY_QUALITY = (BEST, STANDARD, "fast", ALONE, "tutorial")
# With which a machine has less to do than with which, and no less than it must.
LIGHTER = {BEST: STANDARD, STANDARD: ALONE, "fast": ALONE, ALONE: "tutorial"}


def place_of_auto(names: Sequence[object]) -> int | None:
    """Return where AUTO stands among names and found models, None where it doesn't.

    (``AUTO in names`` would compare it with entry points, which Python 3.11 raises at.)
    """
    places = (i for i, name in enumerate(names) if isinstance(name, str) and name == AUTO)
    return next(places, None)


def builtin_file(name: str) -> Path | None:
    """Return the file of a built-in model, None where it isn't installed."""
    if name not in BUILTIN:
        return None
    try:
        path = find_model(name)
    except ModelError:
        return None
    return path if isinstance(path, Path) and os.path.isfile(path) else None


def file_problem(name: str) -> str:
    """Return why a built-in model's file is of no use, naming it; nothing where it is whole.

    All of it is read: for a file that was sealed, its hash tells.
    """
    path = builtin_file(name)
    if path is None:
        return f"{name}{SUFFIX} isn't installed"
    try:
        damaged = (file for file in model_files(path) if is_intact(file) is False)
        return next((f"{file} is damaged" for file in damaged), "")
    except ModelError as error:
        return error.what if str(path) in error.what else f"{path} is damaged: {error.what}"


def best_file() -> Path:
    """Return the file of the best built-in model that is there and whole.

    Raises
    ------
    ModelError
        If none is.
    """
    for name in BY_QUALITY:
        path = builtin_file(name)
        if path is not None and not file_problem(name):
            return path
    raise ModelError(
        "no built-in model is installed",
        expected=f"{BEST}{SUFFIX} or one of the others",
        remedy="pip install streamsep-models, or name a model of your own",
    )
