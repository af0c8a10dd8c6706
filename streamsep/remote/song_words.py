"""The words of a song as they are told to the screen."""

from __future__ import annotations

import os
from pathlib import Path

from streamsep.lyrics import Lyrics, load_lyrics
from streamsep.remote.service import Message

SUFFIXES = (".lrc", ".txt")
LONGEST = 200  # characters of a line
MOST = 5_000  # lines


def words_of(song: Path) -> Message | None:
    """Return the lines of the lyrics beside a song, None where there are none.

    Raises
    ------
    LyricsError
        If there are some that can't be used.
    """
    for suffix in SUFFIXES:
        path = song.with_suffix(suffix)
        if os.path.isfile(path):
            return told_words(load_lyrics(path))
    return None


def told_words(lyrics: Lyrics) -> Message:
    """Return lines as `docs/control.md` describes them: when, what, and where each word begins."""
    return {
        "lines": [
            {
                "at": line.start_s,
                "text": line.text[:LONGEST],
                "words": [[at_s, index] for at_s, index in line.words if index < LONGEST],
                "singer": getattr(line, "singer", None),
            }
            for line in lyrics.lines[:MOST]
        ]
    }
