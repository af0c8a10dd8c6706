"""LRC: a time before each line, and before words where the maker took the trouble."""

from __future__ import annotations

import re

from streamsep.lyrics.numbers import read_number
from streamsep.lyrics.timeline import Line, line_of, shifted

# [mm:ss], [mm:ss.x] to [mm:ss.xxx]; some programs write a colon or a comma before the fraction.
_STAMP = r"(\d{1,6}):(\d{1,2})(?:[.:,](\d{1,3}))?"
_LINE_STAMP = re.compile(rf"\s*\[{_STAMP}\]")
_WORD_STAMP = re.compile(rf"[<\[]{_STAMP}[>\]]")
_OFFSET = re.compile(r"\s*\[offset:\s*([^\]]*?)\s*\]", re.IGNORECASE)


def parse_lrc(rows: list[str], name: str) -> list[Line]:
    """Return the lines of a file of this name.

    Raises
    ------
    LyricsError
        If its offset has no meaning.
    """
    offset_s, lines = 0.0, []
    for number, row in enumerate(rows, 1):
        if found := _OFFSET.match(row):
            # Positive: the lyrics come sooner.
            offset_s = read_number(found[1] or "0", f"offset in line {number} of {name}") / 1_000.0
        lines += _lrc_lines(row)
    return [shifted(line, -offset_s) for line in lines]


def _lrc_lines(row: str) -> list[Line]:
    """Return the row's line once for each time stamp before it."""
    starts = []
    while found := _LINE_STAMP.match(row):
        starts.append(_seconds(found))
        row = row[found.end() :]
    if not starts:
        return []
    pieces, tagged_s, rest = [], starts[0], 0
    for found in _WORD_STAMP.finditer(row):
        pieces.append((tagged_s, row[rest : found.start()]))
        tagged_s, rest = _seconds(found), found.end()
    timed = bool(pieces)
    line = line_of([*pieces, (tagged_s, row[rest:])], starts[0], timed=timed)
    # The words' times are those of the first repetition.
    return [shifted(line, start - starts[0]) for start in starts]


def _seconds(stamp: re.Match[str]) -> float:
    minutes, seconds, fraction = stamp.groups()
    return 60 * int(minutes) + float(f"{seconds}.{fraction or 0}")
