"""Lines of lyrics with their times, and which is sung at a moment."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when it begins, and where in its text each timed word begins.

    Attributes
    ----------
    start_s
        Seconds from the start of the music.
    words
        (seconds, index into ``text``), in time order; empty if only the line has a time.
    singer
        Of a duet, from 1; 0 for all.
    """

    start_s: float
    text: str
    words: tuple[tuple[float, int], ...] = ()
    singer: int = 0

    def sung(self, position_s: float) -> int:
        """Return how many characters have begun to be sung."""
        ahead = [index for time_s, index in self.words if time_s > position_s]
        return min(ahead, default=len(self.text))


@dataclass(frozen=True, slots=True)
class LyricsMoment:
    """What to sing now and after that; ``wait_s`` seconds until ``next``, None without one."""

    current: str
    sung: int  # characters of current
    next: str
    wait_s: float | None
    singer: int = 0  # of the current line, and of the next one; see `Line`
    next_singer: int = 0


@dataclass(frozen=True, slots=True)
class Lyrics:
    """Lines in time order."""

    lines: tuple[Line, ...]

    def at(self, position_s: float) -> LyricsMoment:
        """Return what belongs to a place in the music, in seconds from its start."""
        index = self.begun(position_s)
        now = self.lines[index - 1] if index else Line(0.0, "")
        # Lines without text say when to clear the line before them.
        ahead = next((line for line in self.lines[index:] if line.text), None)
        return LyricsMoment(
            current=now.text,
            sung=now.sung(position_s),
            next=ahead.text if ahead else "",
            wait_s=ahead.start_s - position_s if ahead else None,
            singer=now.singer,
            next_singer=ahead.singer if ahead else 0,
        )

    def begun(self, position_s: float) -> int:
        """Return how many lines have begun at a place in the music; the last of them is sung."""
        return bisect_right(self.lines, position_s, key=lambda line: line.start_s)


def line_of(pieces: Iterable[tuple[float, str]], start_s: float, *, timed: bool) -> Line:
    """Join timed pieces, with single spaces between words and none at the ends."""
    text, words = "", []
    for time_s, piece in pieces:
        # Nothing in a file may steer the terminal.
        piece = "".join(c for c in re.sub(r"\s+", " ", piece) if c.isprintable())
        if not text or text.endswith(" "):
            piece = piece.removeprefix(" ")
        # A space before a word belongs to the word before.
        begins = len(text) + (len(piece) - len(piece.removeprefix(" ")))
        if piece.strip():
            words.append((time_s, begins))
        text += piece
    return Line(start_s, text.rstrip(), tuple(words) if timed else ())


def shifted(line: Line, by_s: float) -> Line:
    """Return the line with all its times later by so much."""
    words = tuple((time_s + by_s, index) for time_s, index in line.words)
    return replace(line, start_s=line.start_s + by_s, words=words)
