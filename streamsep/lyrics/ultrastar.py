"""UltraStar: a note for each syllable, in beats."""

from __future__ import annotations

import re
from dataclasses import replace

from streamsep.errors import LyricsError
from streamsep.lyrics.numbers import meaningless, read_number, shown
from streamsep.lyrics.timeline import Line, line_of

_HEADER = re.compile(r"#\s*([^:]+?)\s*:\s*(.*?)\s*$")
_BEAT = r"-?\d{1,9}"
_NOTE = re.compile(rf"[:*FRG]\s+({_BEAT})\s+{_BEAT}\s+{_BEAT}(?: (.*))?$")
_BREAK = re.compile(rf"-\s*({_BEAT})(?:\s+({_BEAT}))?\s*$")
_VOICE = re.compile(r"P\s*\d\s*$")
SINGERS = {"P1": 1, "P2": 2}  # of a duet; P3 are both
BEATS_PER_QUARTER = 4  # an UltraStar beat is a quarter of what its BPM counts


def is_ultrastar(rows: list[str]) -> bool:
    """Say whether rows of text have UltraStar's header or notes among them."""
    headed = any((header := _HEADER.match(row)) and header[1].upper() == "BPM" for row in rows)
    return headed or any(_NOTE.match(row) for row in rows)


def parse_ultrastar(rows: list[str], name: str) -> list[Line]:
    """Return the lines of a file of this name.

    Raises
    ------
    LyricsError
        If its headers or a note have no meaning.
    """
    headers = {found[1].upper(): found[2] for row in rows if (found := _HEADER.match(row))}
    bpm = read_number(headers.get("BPM", ""), f"#BPM of {name}")
    if bpm < 1.0:
        raise meaningless(f"#BPM of {name}", headers["BPM"])
    gap_s = read_number(headers.get("GAP") or "0", f"#GAP of {name}") / 1_000.0
    relative = headers.get("RELATIVE", "").lower() == "yes"
    beat_s = 60.0 / bpm / BEATS_PER_QUARTER
    lines: list[Line] = []
    notes: list[tuple[float, str]] = []
    origins, voice = {"": 0}, ""  # where each voice of a duet counts its beats from

    def end_line() -> None:
        line = line_of(notes, notes[0][0] if notes else 0.0, timed=True)
        if line.text:
            lines.append(replace(line, singer=SINGERS.get(voice, 0)))
        notes.clear()

    for number, row in enumerate(rows, 1):
        if row.strip() in ("", "E") or row.startswith("#"):
            if row.strip() == "E":
                break
        elif note := _NOTE.match(row):
            # A tilde holds the syllable before it.
            syllable = (note[2] or "").replace("~", "")
            notes.append((gap_s + (origins[voice] + int(note[1])) * beat_s, syllable))
        elif pause := _BREAK.match(row):
            end_line()
            origins[voice] += int(pause[2] or pause[1]) if relative else 0
        elif _VOICE.match(row):
            end_line()
            voice = row.replace(" ", "")
            origins.setdefault(voice, origins[""])
        elif row[:1] in (*":*FRG-",):
            raise LyricsError(
                f"line {number} of {name} is no UltraStar note: {shown(row)!r}",
                expected="e.g. ': 12 4 0 la' (beat, length, pitch, text) or '- 20'",
                remedy="correct the line or remove it",
            )
    end_line()
    return _joined(lines)


def _joined(lines: list[Line]) -> list[Line]:
    """Make one line for both singers of what each of a duet has at the same time."""
    first: dict[tuple[float, str], Line] = {}
    for line in lines:
        key = line.start_s, line.text
        other = first.setdefault(key, line)
        if other.singer != line.singer:
            first[key] = replace(other, singer=0)
    return list(first.values())
