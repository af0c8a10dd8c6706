"""The folder that files are written to."""

from __future__ import annotations

from pathlib import Path

from streamsep.errors import OutputError


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there.

    Raises
    ------
    OutputError
        If it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} can't be made ({error.strerror})",
            expected="a place to write to",
            remedy="choose another place",
        ) from error
