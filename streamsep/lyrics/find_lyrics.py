"""The lyrics of a song, wherever they are: beside it, or in its tags."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamsep.errors import LyricsError
from streamsep.lyrics.embedded_lyrics import embedded_lyrics
from streamsep.lyrics.lyrics_file import check_encoding, load_lyrics
from streamsep.lyrics.timeline import Lyrics

SUFFIXES = (".lrc", ".LRC", ".txt", ".TXT")


@dataclass(frozen=True, slots=True)
class FoundLyrics:
    """Lyrics, and where they are from: the name of a file, or ``USLT of song.mp3``."""

    lyrics: Lyrics
    origin: str


def find_lyrics(
    song: Path,
    *,
    encoding: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> FoundLyrics | None:
    """Return the lyrics that go with a song, or None where there are none with times.

    They are in ``song.lrc`` or, as UltraStar's, ``song.txt`` beside it, or in its tags: SYLT,
    USLT, LYRICS and others of their kind.

    Parameters
    ----------
    song
        A sound file, there or not.
    encoding
        Of the text; see `streamsep.lyrics.load_lyrics`.
    say
        Told in which encoding they are read, if that was a guess, and what was found that is of
        no use.

    Raises
    ------
    LyricsError
        If there is no such encoding.
    """
    check_encoding(encoding)
    for suffix in SUFFIXES:
        path = song.with_suffix(suffix)
        if path == song or not os.path.isfile(path):
            continue
        try:
            return FoundLyrics(load_lyrics(path, encoding=encoding, say=say), path.name)
        except LyricsError as error:
            say(f"lyrics not shown: {error.what}")
    embedded = embedded_lyrics(song, encoding=encoding, say=say) if os.path.isfile(song) else None
    if embedded is None:
        return None
    lyrics, tag = embedded
    return FoundLyrics(lyrics, f"{tag} of {song.name}")
