"""The folder that files are written to."""

from __future__ import annotations

from pathlib import Path

from streamsep.errors import OutputError


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there.

    Raises
    ------
    OutputError
        If it can't be made, or is called ``-``, by which elsewhere standard output is meant.
    """
    if folder == Path("-"):
        raise OutputError(
            "a folder '-' was asked for",
            expected="files, which can't go to standard output",
            remedy="choose another name; live writes sound to a pipe that has one",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"the folder {folder} can't be made ({getattr(error, 'strerror', None) or error})",
            expected="a place to write to",
            remedy="choose another place",
        ) from error
