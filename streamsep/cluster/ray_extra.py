"""The packages of the extra ``ray``, loaded when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from streamsep.errors import BackendError


def load_for_cluster(name: str) -> Any:
    """Return a module that the extra ``ray`` brings.

    Raises
    ------
    BackendError
        If it can't be loaded.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendError(
            f"work on a cluster needs {name.split('.')[0]}, and it can't be loaded ({error})",
            expected="the extra 'ray' to be installed",
            remedy="pip install 'streamsep[ray]', or separate on this machine alone",
            settings=("ray",),
        ) from error
