"""Whether two names mean one file."""

from __future__ import annotations

import os
from pathlib import Path


def file_identity(path: Path) -> tuple[int, int] | str:
    """Return what is the same for all names of a file: links, hard ones too, and other paths.

    Of what isn't there it is the path that it would have.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)
