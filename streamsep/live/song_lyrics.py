"""The lyrics that go with the songs of a live run, each found when it is asked for first."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from streamsep.events import EventLog
from streamsep.lyrics import Lyrics, find_lyrics


class SongLyrics:
    """Finds the lyrics of songs beside them or in their tags, and says where they are from.

    Parameters
    ----------
    encoding
        Of their text, None to find it out.
    events
        Where that is said, once a song.
    """

    def __init__(self, encoding: str | None, events: EventLog) -> None:
        self._encoding, self._events = encoding, events
        self._found: dict[Path, Lyrics | None] = {}
        self._lock = threading.Lock()  # a screen and a score ask, on threads of their own

    def __call__(self, song: Path) -> Lyrics | None:
        """Return the lyrics of a song, None where there are none with times."""
        with self._lock:
            if song not in self._found:
                self._found[song] = self._find(song)
            return self._found[song]

    def _find(self, song: Path) -> Lyrics | None:
        say = partial(self._events.add, kind="warning", settings=("lyrics", "lyrics_encoding"))
        found = find_lyrics(song, encoding=self._encoding, say=say)
        if found is None:
            return None
        self._events.add(f"lyrics: {found.origin}", kind="report", settings=("lyrics",))
        return found.lyrics
