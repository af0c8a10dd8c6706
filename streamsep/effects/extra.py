"""The packages of the extra ``voice``, loaded when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from streamsep.errors import EffectError


def pedalboard() -> Any:
    """Return the ``pedalboard`` module: effects and plugins.

    Raises
    ------
    EffectError
        If the extra that brings it isn't installed.
    """
    return _load("pedalboard", "effects need", "voice effects off", "voice_effects")


def pylibrb() -> Any:
    """Return the ``pylibrb`` module: Rubber Band's binding.

    Raises
    ------
    EffectError
        If the extra that brings it isn't installed.
    """
    return _load("pylibrb", "another key needs", "no key", "key")


def _load(name: str, who: str, without: str, setting: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EffectError(
            f"{who} {name}, and it can't be loaded ({error})",
            expected="the extra 'voice' to be installed",
            remedy=f"pip install 'streamsep[voice]', or do without: {without}",
            settings=(setting,),
        ) from error
