"""Lyrics with times: LRC and UltraStar files, and which line is sung at a moment."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamsep.errors import LyricsError

ENCODINGS = ("utf-8-sig", "cp1252")

# [mm:ss], [mm:ss.x] to [mm:ss.xxx]; some programs write a colon or a comma before the fraction.
_STAMP = r"(\d{1,6}):(\d{1,2})(?:[.:,](\d{1,3}))?"
_LINE_STAMP = re.compile(rf"\s*\[{_STAMP}\]")
_WORD_STAMP = re.compile(rf"[<\[]{_STAMP}[>\]]")
_OFFSET = re.compile(r"\s*\[offset:\s*([^\]]*?)\s*\]", re.IGNORECASE)

_HEADER = re.compile(r"#\s*([^:]+?)\s*:\s*(.*?)\s*$")
_BEAT = r"-?\d{1,9}"
_NOTE = re.compile(rf"[:*FRG]\s+({_BEAT})\s+{_BEAT}\s+{_BEAT}(?: (.*))?$")
_BREAK = re.compile(rf"-\s*({_BEAT})(?:\s+({_BEAT}))?\s*$")
_VOICE = re.compile(r"P\s*\d\s*$")
LARGEST = 1e9  # number in a header or tag
LONGEST = 60  # characters of a line in an error
BEATS_PER_QUARTER = 4  # an UltraStar beat is a quarter of what its BPM counts


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when it begins, and where in its text each timed word begins.

    Attributes
    ----------
    start_s
        Seconds from the start of the music.
    words
        (seconds, index into ``text``), in time order; empty if only the line has a time.
    """

    start_s: float
    text: str
    words: tuple[tuple[float, int], ...] = ()

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


@dataclass(frozen=True, slots=True)
class Lyrics:
    """Lines in time order."""

    lines: tuple[Line, ...]

    def at(self, position_s: float) -> LyricsMoment:
        """Return what belongs to a place in the music, in seconds from its start."""
        index = bisect_right(self.lines, position_s, key=lambda line: line.start_s)
        now = self.lines[index - 1] if index else Line(0.0, "")
        # Lines without text say when to clear the line before them.
        ahead = next((line for line in self.lines[index:] if line.text), None)
        return LyricsMoment(
            current=now.text,
            sung=now.sung(position_s),
            next=ahead.text if ahead else "",
            wait_s=ahead.start_s - position_s if ahead else None,
        )


def load_lyrics(path: Path) -> Lyrics:
    """Read an LRC or UltraStar file; its content says which it is.

    Raises
    ------
    LyricsError
        If the file can't be read, isn't text, or has no time stamps.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LyricsError(
            f"the lyrics {path} can't be read ({error.strerror})",
            expected="an LRC or UltraStar file",
            remedy="check the path",
        ) from error
    return parse_lyrics(_decode(content, path), str(path))


def _decode(content: bytes, path: Path) -> str:
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:  # as in UTF-16, and in what is no text
            return text
    raise LyricsError(
        f"{path} is no text in an encoding that streamsep reads",
        expected="UTF-8 or Windows-1252",
        remedy="save it as UTF-8 with a text editor",
    )


def parse_lyrics(text: str, name: str) -> Lyrics:
    """Parse the text of a file; ``name`` is what errors call it.

    Raises
    ------
    LyricsError
        If it has no time stamps, or UltraStar's have no meaning.
    """
    rows = text.splitlines()
    ultrastar = any(
        (header := _HEADER.match(row)) and header[1].upper() == "BPM" for row in rows
    ) or any(_NOTE.match(row) for row in rows)
    lines = _parse_ultrastar(rows, name) if ultrastar else _parse_lrc(rows, name)
    if not lines:
        raise LyricsError(
            f"{name} has no time stamps",
            expected="LRC lines like [01:23.45]words, or UltraStar notes",
            remedy="look for a synchronised version of the lyrics",
        )
    return Lyrics(tuple(sorted(lines, key=lambda line: line.start_s)))


def _parse_lrc(rows: list[str], name: str) -> list[Line]:
    offset_s, lines = 0.0, []
    for number, row in enumerate(rows, 1):
        if found := _OFFSET.match(row):
            # Positive: the lyrics come sooner.
            offset_s = _number(found[1] or "0", f"offset in line {number} of {name}") / 1_000.0
        lines += _lrc_lines(row)
    return [_shifted(line, -offset_s) for line in lines]


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
    line = _joined([*pieces, (tagged_s, row[rest:])], starts[0], timed=timed)
    # The words' times are those of the first repetition.
    return [_shifted(line, start - starts[0]) for start in starts]


def _parse_ultrastar(rows: list[str], name: str) -> list[Line]:
    headers = {found[1].upper(): found[2] for row in rows if (found := _HEADER.match(row))}
    bpm = _number(headers.get("BPM", ""), f"#BPM of {name}")
    if bpm < 1.0:
        raise _meaningless(f"#BPM of {name}", headers["BPM"])
    gap_s = _number(headers.get("GAP") or "0", f"#GAP of {name}") / 1_000.0
    relative = headers.get("RELATIVE", "").lower() == "yes"
    beat_s = 60.0 / bpm / BEATS_PER_QUARTER
    lines: list[Line] = []
    notes: list[tuple[float, str]] = []
    origins, voice = {"P1": 0}, "P1"  # where each voice of a duet counts its beats from

    def end_line() -> None:
        line = _joined(notes, notes[0][0] if notes else 0.0, timed=True)
        if line.text:
            lines.append(line)
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
            origins.setdefault(voice, 0)
        elif row[:1] in (*":*FRG-",):
            raise LyricsError(
                f"line {number} of {name} is no UltraStar note: {_shown(row)!r}",
                expected="e.g. ': 12 4 0 la' (beat, length, pitch, text) or '- 20'",
                remedy="correct the line or remove it",
            )
    end_line()
    return lines


def _joined(pieces: Iterable[tuple[float, str]], start_s: float, *, timed: bool) -> Line:
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


def _shifted(line: Line, by_s: float) -> Line:
    words = tuple((time_s + by_s, index) for time_s, index in line.words)
    return Line(line.start_s + by_s, line.text, words)


def _seconds(stamp: re.Match[str]) -> float:
    minutes, seconds, fraction = stamp.groups()
    return 60 * int(minutes) + float(f"{seconds}.{fraction or 0}")


def _number(text: str, what: str) -> float:
    """Read a number with a point or, as many UltraStar files have it, a comma."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise _meaningless(what, text) from None
    if abs(number) > LARGEST or math.isnan(number):
        raise _meaningless(what, text)
    return number


def _shown(text: str) -> str:
    """Return text as an error shows it: not more than is looked at."""
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _meaningless(what: str, value: str) -> LyricsError:
    return LyricsError(
        f"the {what} is {_shown(value) or 'missing'!r}",
        expected="a number that makes sense there",
        remedy="correct the file with a text editor",
    )
