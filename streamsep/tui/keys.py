"""Keys from a terminal, one by one, without waiting for Enter."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

if sys.platform != "win32":
    import termios
    import tty

ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
ESCAPE = "\x1b"


class Binding(NamedTuple):
    """Keys that belong together: how the screen lists them, and what each does."""

    label: str
    what: str
    actions: Mapping[str, Callable[[], None]]


class KeyDecoder:
    """Turns the characters that a terminal sends into names of keys.

    Arrows are ``up``, ``down``, ``right`` and ``left``, everything printable is itself, other
    keys are nothing. Over a slow line a key's characters may come one at a time.
    """

    def __init__(self) -> None:
        self._waiting = ""

    def feed(self, text: str) -> list[str]:
        """Return the keys that are complete."""
        keys = []
        for character in text:
            self._waiting += character
            if self._complete():
                keys += self._key()
                self._waiting = ""
        return keys

    def _complete(self) -> bool:
        sequence = self._waiting
        if sequence[:2] in (ESCAPE + "[", ESCAPE + "O"):
            return len(sequence) > 2 and "@" <= sequence[-1] <= "~"
        return sequence != ESCAPE

    def _key(self) -> list[str]:
        sequence = self._waiting
        if sequence[:2] in (ESCAPE + "[", ESCAPE + "O"):
            return [ARROWS[sequence[-1]]] if sequence[2:] in ARROWS else []
        return [sequence[-1]] if sequence[-1].isprintable() else []


class Keyboard:
    """The terminal's keys while entered; the terminal is as before afterwards, whatever happens.

    Parameters
    ----------
    stream
        Where keys come from. There are none if it is no terminal, or another program has it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdin
        self._decoder = KeyDecoder()
        self._before: list[Any] | None = None
        self.active = False

    def read(self, timeout_s: float) -> list[str]:
        """Wait at most so long and return the keys that were pressed."""
        if not self.active:
            time.sleep(timeout_s)
            return []
        return self._decoder.feed(self._characters(timeout_s))

    if sys.platform == "win32":  # pragma: no cover

        def __enter__(self) -> Keyboard:
            self.active = self._stream.isatty()
            return self

        def _characters(self, timeout_s: float) -> str:
            import msvcrt

            arrows = {"H": "A", "P": "B", "M": "C", "K": "D"}
            time.sleep(timeout_s)
            text = ""
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                if key in "\0\xe0":
                    key = ESCAPE + "[" + arrows.get(msvcrt.getwch(), "~")
                text += key
            return text

    else:

        def __enter__(self) -> Keyboard:
            if self._is_ours():
                self._before = termios.tcgetattr(self._stream)
                tty.setcbreak(self._stream, termios.TCSANOW)
                self.active = True
            return self

        def _is_ours(self) -> bool:
            try:
                foreground = os.tcgetpgrp(self._stream.fileno())
            except (OSError, ValueError):  # no terminal, or no file at all
                return False
            return self._stream.isatty() and foreground == os.getpgrp()

        def _characters(self, timeout_s: float) -> str:
            file = self._stream.fileno()
            if not select.select([file], [], [], timeout_s)[0]:
                return ""
            try:
                characters = os.read(file, 1_024)
            except OSError:  # the terminal is gone
                characters = b""
            if not characters:
                self.active = False
            return characters.decode(errors="ignore")

    def __exit__(self, *exception: object) -> None:
        self.active = False
        if sys.platform != "win32" and self._before is not None:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._stream, termios.TCSANOW, self._before)
            self._before = None
