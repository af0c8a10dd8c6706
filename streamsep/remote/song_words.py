"""The words of a song as they are told to the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamsep.lyrics import Lyrics
from streamsep.lyrics.find_lyrics import find_lyrics
from streamsep.remote.service import Message

LONGEST = 200  # characters of a line
MOST = 5_000  # lines


def words_of(song: Path, say: Callable[[str], object] = lambda line: None) -> Message | None:
    """Return the lines of the lyrics that go with a song, None where there are none.

    Parameters
    ----------
    song
        Its file.
    say
        Told of guesses, and of lyrics that are of no use.
    """
    found = find_lyrics(song, say=say)
    return None if found is None else told_words(found.lyrics)


def told_words(lyrics: Lyrics) -> Message:
    """Return lines as `docs/control.md` describes them: when, what, and where each word begins."""
    return {
        "lines": [
            {
                "at": line.start_s,
                "text": line.text[:LONGEST],
                "words": [[at_s, index] for at_s, index in line.words if index < LONGEST],
                "singer": line.singer or None,
            }
            for line in lyrics.lines[:MOST]
        ]
    }
