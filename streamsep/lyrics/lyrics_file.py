"""Lyrics from an LRC or UltraStar file."""

from __future__ import annotations

from pathlib import Path

from streamsep.errors import LyricsError
from streamsep.lyrics.lrc import parse_lrc
from streamsep.lyrics.timeline import Lyrics
from streamsep.lyrics.ultrastar import is_ultrastar, parse_ultrastar

ENCODINGS = ("utf-8-sig", "cp1252")


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
    lines = parse_ultrastar(rows, name) if is_ultrastar(rows) else parse_lrc(rows, name)
    if not lines:
        raise LyricsError(
            f"{name} has no time stamps",
            expected="LRC lines like [01:23.45]words, or UltraStar notes",
            remedy="look for a synchronised version of the lyrics",
        )
    return Lyrics(tuple(sorted(lines, key=lambda line: line.start_s)))
