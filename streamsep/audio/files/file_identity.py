"""Whether two names mean one file."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

# Whose file systems mostly take "Song" and "song" for one name, and some an accent for two letters.
ONE_SPELLING = ("darwin", "win32")


def file_identity(path: Path) -> tuple[int, int] | str:
    """Return what is the same for all names of a file: links, hard ones too, and other paths.

    Of what isn't there it is the path that it would have.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _spelling(os.path.realpath(path))
    return (status.st_dev, status.st_ino) if status.st_ino else _spelling(os.path.realpath(path))


def _spelling(path: str) -> str:
    """Return what is the same for all spellings of a name that would be one file."""
    if sys.platform not in ONE_SPELLING:
        return path
    return unicodedata.normalize("NFC", path).casefold()
