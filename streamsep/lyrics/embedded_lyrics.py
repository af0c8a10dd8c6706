"""Lyrics in the tags of a sound file: ID3, Vorbis comments, MP4, APE and ASF.

By mutagen, which the extra ``media`` brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamsep.errors import LyricsError, first_line
from streamsep.lyrics.lyrics_file import parse_lyrics
from streamsep.lyrics.timeline import Lyrics, line_of
from streamsep.text_encoding import decode_text

# Names of tags besides ID3's own frames, as programs write them.
NAMES = ("lyrics", "syncedlyrics", "unsyncedlyrics", "wm/lyrics", "\xa9lyr")
LYRICS_TYPE = 1  # of SYLT: not chords, events or the like
MPEG_FRAMES, MILLISECONDS = 1, 2  # its units of time
LATIN_1 = 0  # ID3's encoding for which programs write whatever their system has
LARGEST = 1 << 20  # characters
SEPARATOR = "\x1e"  # between texts that are read together: a byte in all encodings
# A tag, its encoding and its texts, to what these mean.
ReadTexts = Callable[[str, int, list[str]], list[str]]


def embedded_lyrics(
    song: Path,
    *,
    encoding: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> tuple[Lyrics, str] | None:
    """Return lyrics with times from a song's tags, and which tag that is; None if it has none.

    Parameters
    ----------
    song
        A sound file.
    encoding
        Of ID3 texts that say they are Latin-1.  [default: found out]
    say
        Told what of it is of no use, and in which encoding it is read where that was a guess.
    """
    if find_spec("mutagen") is None:
        return None
    import mutagen

    try:
        file: Any = mutagen.File(song)
    except Exception as error:  # of what others wrote; whoever plays it tells what is wrong
        say(f"the tags of {song.name} can't be read for lyrics ({first_line(error)})")
        return None
    if file is None or not file.tags:
        return None
    for name, lyrics in _candidates(file, encoding, song, say):
        if lyrics is not None:
            return lyrics, name
    return None


def _candidates(
    file: Any, encoding: str | None, song: Path, say: Callable[[str], object]
) -> Iterator[tuple[str, Lyrics | None]]:
    def read(name: str, declared: int, texts: list[str]) -> list[str]:
        """Return what ID3 texts mean that call themselves Latin-1: what letters they have."""
        joined = SEPARATOR.join(texts)
        try:
            content = joined.encode("latin-1") if declared == LATIN_1 else b""
            decoded = decode_text(content, encoding)
        except (UnicodeEncodeError, LookupError):
            return texts
        if not content or decoded is None or decoded.text == joined:
            return texts
        if decoded.known == "found":
            how = f"as {decoded.encoding}, by their letters"
            say(f"the lyrics in {name} of {song.name} are read {how}")
        found = decoded.text.split(SEPARATOR)
        return found if len(found) == len(texts) else texts

    getall = getattr(file.tags, "getall", None)  # ID3 alone has it
    if getall is not None:
        for frame in getall("SYLT"):
            if frame.type == LYRICS_TYPE:
                pieces = read("SYLT", frame.encoding, [text for text, _ in frame.text])
                times = [time for _, time in frame.text]
                yield "SYLT", _synchronised(frame.format, pieces, times, file.info)
    for name, text in _texts(file.tags, getall, read):
        if len(text) > LARGEST:
            say(f"lyrics not shown: {name} of {song.name} has {len(text):,} characters")
            continue
        try:
            yield name, parse_lyrics(text, f"{name} of {song.name}")
        except LyricsError as error:
            say(f"lyrics not shown: {error.what}")


def _texts(tags: Any, getall: Any, read: ReadTexts) -> Iterator[tuple[str, str]]:
    if getall is not None:
        for frame in getall("USLT"):
            yield "USLT", read("USLT", frame.encoding, [frame.text])[0]
        for frame in getall("TXXX"):
            if frame.desc.lower() in NAMES:
                name = frame.desc.upper()
                yield name, "\n".join(read(name, frame.encoding, frame.text))
        return
    for key, values in tags.items():
        if key.lower() in NAMES:
            for value in [values] if isinstance(values, str) else values:
                yield key.upper(), str(value)


def _synchronised(time_format: int, texts: list[str], times: list[int], info: Any) -> Lyrics | None:
    """Return the lines of SYLT: of one piece each, or of syllables, a new line beginning each."""
    unit_s = 1e-3
    if time_format == MPEG_FRAMES:
        samples = 1_152 if getattr(info, "version", 1) == 1 else 576
        unit_s = samples / getattr(info, "sample_rate", 44_100)
    pieces = [
        (max(time, 0) * unit_s, text.replace("\r", "\n"))
        for text, time in zip(texts, times, strict=True)
    ]
    syllables = any("\n" in text for _, text in pieces)
    lines: list[list[tuple[float, str]]] = [[]]
    for time_s, text in pieces:
        if not syllables or text.startswith("\n"):
            lines.append([])
        lines[-1].append((time_s, text))
        if text.endswith("\n"):
            lines.append([])
    found = [line_of(line, line[0][0], timed=syllables) for line in lines if line]
    return Lyrics(tuple(sorted(found, key=lambda line: line.start_s))) if found else None
