"""Numbers in files of lyrics, and what is said of those that make no sense."""

from __future__ import annotations

import math

from streamsep.errors import LyricsError

LARGEST = 1e9  # number in a header or tag
LONGEST = 60  # characters of a line in an error


def read_number(text: str, what: str) -> float:
    """Read a number with a point or, as many UltraStar files have it, a comma.

    Raises
    ------
    LyricsError
        If it is none, or beyond all bounds; ``what`` is what the error calls it.
    """
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise meaningless(what, text) from None
    if abs(number) > LARGEST or math.isnan(number):
        raise meaningless(what, text)
    return number


def shown(text: str) -> str:
    """Return text as an error shows it: not more than is looked at."""
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def meaningless(what: str, value: str) -> LyricsError:
    """Return the error for a value that makes no sense."""
    return LyricsError(
        f"the {what} is {shown(value) or 'missing'!r}",
        expected="a number that makes sense there",
        remedy="correct the file with a text editor",
    )
