"""Lyrics from an LRC or UltraStar file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamsep.errors import LyricsError
from streamsep.lyrics.lrc import parse_lrc
from streamsep.lyrics.timeline import Lyrics
from streamsep.lyrics.ultrastar import is_ultrastar, parse_ultrastar
from streamsep.text_encoding import decode_text, is_encoding

LARGEST = 1 << 22  # bytes of a text that may be lyrics
HOW = {
    "said": "as it says",
    "found": "by its letters",
    "broken": "and some of its letters are broken",
}


def load_lyrics(
    path: Path, *, encoding: str | None = None, say: Callable[[str], object] = lambda line: None
) -> Lyrics:
    """Read an LRC or UltraStar file; its content says which it is.

    Parameters
    ----------
    path
        The file.
    encoding
        Of its text; see `decode_text`.
    say
        Told in which encoding it is read, if that isn't UTF-8.

    Raises
    ------
    LyricsError
        If the file can't be read, isn't text, or has no time stamps.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise LyricsError(
            f"the lyrics {path} can't be read ({why})",
            expected="an LRC or UltraStar file",
            remedy="check the path",
        ) from error
    if len(content) > LARGEST:
        raise LyricsError(
            f"the lyrics {path} have more than {LARGEST:,} bytes",
            expected="an LRC or UltraStar file, which is small",
            remedy="check what it is",
        )
    check_encoding(encoding)
    decoded = decode_text(content, encoding)
    if decoded is None:
        raise LyricsError(
            f"{path} is no text in an encoding that can be told",
            expected=encoding or "UTF-8, or a text of some length in another encoding",
            remedy="save it as UTF-8 with a text editor, or say which encoding it is in",
            settings=("lyrics_encoding",),
        )
    if decoded.known in HOW:
        say(f"the lyrics {path} are read as {decoded.encoding}, {HOW[decoded.known]}")
    return parse_lyrics(decoded.text, str(path))


def check_encoding(encoding: str | None) -> None:
    """Refuse an encoding that there is none of.

    Raises
    ------
    LyricsError
        If it is one.
    """
    if encoding is not None and not is_encoding(encoding):
        raise LyricsError(
            f"no encoding is called {encoding!r}",
            expected="a name such as utf-8, cp1250, gb18030 or shift_jis",
            remedy="choose one of these, or none, to have it found out",
            settings=("lyrics_encoding",),
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
