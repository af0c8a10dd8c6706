"""Puts the built-in models, their card and their licence into the wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path(__file__).parents[2] / "streamsep" / "models"


class BuiltinModelsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Takes every file beside the library of models that is no code: the wheel of the code doesn't.

    Editable installs take nothing: a source tree finds its models where they are.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Tell hatchling which files to add, and where."""
        if version == "editable":
            return
        for path in FOLDER.iterdir():
            if path.is_file() and path.suffix != ".py":
                build_data["force_include"][str(path)] = f"streamsep_models/{path.name}"
