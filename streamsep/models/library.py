"""The library of models: built-in ones, the user's own folder of imported ones, and plugins."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from streamsep.app_folder import app_folder
from streamsep.errors import ModelError
from streamsep.spec import SUFFIX

BUILTIN = (
    "live",
    "fast",
    "studio",
    "light",
    "tutorial",
)  # the first is what runs when none is named
WEIGHTS = "streamsep_models"  # the package that holds them where this one doesn't
GROUP = "streamsep.separators"  # of entry points; each names a factory of separators

FoundModel = Path | EntryPoint  # what `find_model` returns


def builtin_models() -> dict[str, Path]:
    """Return the built-in models that are installed, by their names.

    They are in a source tree's folder of this module, or else in a package of their own.
    """
    here = Path(__file__).parent
    package = None if any(here.glob(f"*{SUFFIX}")) else find_spec(WEIGHTS)
    folder = Path(package.origin).parent if package and package.origin else here
    files = {name: folder / f"{name}{SUFFIX}" for name in BUILTIN}
    return {name: path for name, path in files.items() if os.path.isfile(path)}


def imported_folder() -> Path:
    """Return where imported models are, there or not."""
    return app_folder() / "models"


def imported_path(name: str) -> Path:
    """Return where the imported model of this name is, there or not."""
    return imported_folder() / f"{name.removesuffix(SUFFIX)}{SUFFIX}"


def imported_names() -> list[str]:
    """Return the names of the imported models, sorted."""
    return sorted(path.stem for path in imported_folder().glob(f"[!.]*{SUFFIX}"))


def known_models() -> dict[str, FoundModel]:
    """Return by their names the built-in models, the imported ones, and those of packages."""
    plugins: dict[str, FoundModel] = {entry.name: entry for entry in entry_points(group=GROUP)}
    files: dict[str, FoundModel] = dict(builtin_models())
    files |= {name: imported_path(name) for name in imported_names()}
    return files | {name: plugins[name] for name in sorted(plugins.keys() - files.keys())}


def find_model(name: str | None) -> FoundModel:
    """Return a built-in model's path by its name, a file, an imported model, or a plugin.

    What isn't there is taken for a file. A file that was imported under its own name means the
    copy, which alone says how to run it.

    Raises
    ------
    ModelError
        If two packages have a separator of this name, or a built-in model isn't installed.
    """
    if name is None or name in BUILTIN:
        return _find_builtin(name or BUILTIN[0])
    path, own = Path(name), imported_path(name)
    if path.name != name or (os.path.isfile(path) and not _is_copy(own, path)):
        return path
    return own if os.path.isfile(own) else _find_plugin(name) or path


def _find_builtin(name: str) -> Path:
    try:
        return builtin_models()[name]
    except KeyError:
        raise ModelError(
            f"the built-in model {name} isn't installed",
            expected="the package streamsep-models",
            remedy="pip install streamsep-models, or name a model of your own",
        ) from None


def _is_copy(own: Path, path: Path) -> bool:
    return os.path.isfile(own) and own.read_bytes().startswith(path.read_bytes())


def _find_plugin(name: str) -> EntryPoint | None:
    entries = set(entry_points(group=GROUP, name=name))
    if len(entries) > 1:
        makers = sorted(entry.dist.name if entry.dist else entry.value for entry in entries)
        raise ModelError(
            f"{' and '.join(makers)} have a separator {name} each",
            expected="one of that name",
            remedy="uninstall all but one",
        )
    return entries.pop() if entries else None


def model_name(model: FoundModel) -> str:
    """Return what `find_model` knows a model by."""
    return model.stem if isinstance(model, Path) else model.name
