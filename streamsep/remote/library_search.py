"""Searches in the list of songs; it only reads, in whatever process."""

from __future__ import annotations

import os
import sqlite3
import threading
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsep.errors import ArgumentError

FOUND = 50  # songs, at most, that a search gives
CONSIDERED = 2_000  # of which these are the first by name: what many words begin with takes long
COLUMNS = "id, title, artist, folder, seconds, path"


@dataclass(frozen=True, slots=True)
class LibrarySong:
    """One song; ``path`` never leaves this program."""

    id: int
    title: str
    artist: str
    folder: str
    seconds: float | None
    path: Path

    def told(self) -> dict[str, Any]:
        """Return what others may know of it."""
        return {
            "id": self.id,
            "title": self.title,
            "artist": self.artist,
            "folder": self.folder,
            "seconds": self.seconds,
        }


class LibrarySearch:
    """Finds songs in the file of a `SongLibrary`; from any thread.

    Parameters
    ----------
    path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._reading = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._reading.close()

    def __len__(self) -> int:
        (count,) = self._rows("SELECT count(*) FROM songs", ())[0]
        return int(count)

    def search(self, query: str) -> list[LibrarySong]:
        """Return songs whose title, artist or folder have words that begin so, at most FOUND.

        Case, accents and order of the words don't matter; an empty query gives the first songs
        by title.
        """
        words = _words(query)
        values: tuple[str, ...] = ()
        if words:
            statement = (
                f"SELECT {COLUMNS} FROM songs WHERE id IN "
                f"(SELECT rowid FROM words WHERE words MATCH ? LIMIT {CONSIDERED}) "
                f"ORDER BY artist, title LIMIT {FOUND}"
            )
            values = (" ".join(f'"{word}"*' for word in words),)
        else:
            statement = f"SELECT {COLUMNS} FROM songs ORDER BY title COLLATE NOCASE LIMIT {FOUND}"
        return [_song(row) for row in self._rows(statement, values)]

    def song(self, song_id: int) -> LibrarySong:
        """Return a song by its number.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        rows = self._rows(f"SELECT {COLUMNS} FROM songs WHERE id = ?", (song_id,))
        if not rows:
            raise ArgumentError(
                f"no song has the number {song_id}",
                expected="one that a search gave",
                remedy="search again",
            )
        return _song(rows[0])

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            return self._reading.execute(statement, values).fetchall()


def spaced(text: str) -> str:
    """Put each letter of writing without spaces between spaces: it is found by any of them."""
    return "".join(f" {c} " if _stands_alone(c) else c for c in text)


def _stands_alone(character: str) -> bool:
    return character >= "\u2e80" and unicodedata.category(character) == "Lo"


def _words(query: str) -> list[str]:
    letters = (c if unicodedata.category(c)[0] in "LNM" else " " for c in spaced(query))
    return "".join(letters).split()


def _song(row: tuple[int, str, str, str, float | None, bytes]) -> LibrarySong:
    return LibrarySong(*row[:5], Path(os.fsdecode(row[5])))
