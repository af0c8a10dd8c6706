"""The models that come along, and the user's own folder of imported ones.

MODEL_CARD.md tells where the built-in ones come from and what they are bad at.
"""

from pathlib import Path

import click

BUILTIN = ("live", "tutorial")  # the first is what runs when none is named
SUFFIX = ".onnx"


def imported_folder() -> Path:
    """Return where imported models are, there or not."""
    return Path(click.get_app_dir("streamsep")) / "models"


def imported_path(name: str) -> Path:
    """Return where the imported model of this name is, there or not."""
    return imported_folder() / f"{name.removesuffix(SUFFIX)}{SUFFIX}"


def imported_names() -> list[str]:
    """Return the names of the imported models, sorted."""
    return sorted(path.stem for path in imported_folder().glob(f"[!.]*{SUFFIX}"))


def find_model(name: str | None) -> Path:
    """Return the path of a built-in model by its name, of a file, or of an imported model."""
    if name is None or name in BUILTIN:
        return Path(__file__).with_name(f"{name or BUILTIN[0]}{SUFFIX}")
    path, own = Path(name), imported_path(name)
    return own if path.name == name and not path.is_file() and own.is_file() else path
