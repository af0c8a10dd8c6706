"""The folder that this program keeps its own files in: imported models, the configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "streamsep"


def app_folder() -> Path:
    """Return the user's own folder for this program, there or not.

    ``%APPDATA%`` on Windows, ``~/Library/Application Support`` on macOS, and elsewhere
    ``$XDG_CONFIG_HOME`` or ``~/.config``; in each a folder ``streamsep``.
    """
    if sys.platform == "win32":
        parent = os.environ.get("APPDATA", os.path.expanduser("~"))
    elif sys.platform == "darwin":
        parent = os.path.expanduser("~/Library/Application Support")
    else:
        parent = os.environ.get("XDG_CONFIG_HOME", os.path.expanduser("~/.config"))
    return Path(parent) / NAME
