"""The songs of some folders: found, told apart by number, and searched.

An SQLite file keeps what was found, so that a second start has all of it at once. Songs are
known to others by numbers alone; where they lie stays here.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import is_part_file
from streamsep.audio.files.song_tags import SongTags, read_song_tags, tags_of_name
from streamsep.errors import AudioFileError, OutputError, first_line
from streamsep.offline.song_search import SUFFIXES, is_hidden
from streamsep.remote.library_search import LibrarySearch, LibrarySong, spaced
from streamsep.remote.protocol import clean_text

SCHEMA = 1
LONGEST = 200  # characters of a title that are kept; what is longer ends in …
BATCH = 500  # songs between two commits: searches see them from then on
TABLES = f"""
CREATE TABLE songs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, root BLOB NOT NULL, path BLOB NOT NULL UNIQUE,
    folder TEXT NOT NULL, title TEXT NOT NULL, artist TEXT NOT NULL, seconds REAL,
    stamp TEXT NOT NULL, tagged INTEGER NOT NULL, seen INTEGER NOT NULL);
CREATE INDEX songs_untagged ON songs (tagged) WHERE tagged = 0;
CREATE INDEX songs_by_title ON songs (title COLLATE NOCASE);
CREATE VIRTUAL TABLE words USING fts5 (
    title, artist, folder, prefix='1 2 3', tokenize='unicode61 remove_diacritics 2');
PRAGMA user_version = {SCHEMA};
"""


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far the search for songs is.

    Attributes
    ----------
    running
        Whether it goes on.
    found
        Songs so far.
    tagged
        Those of them whose tags were read.
    """

    running: bool = False
    found: int = 0
    tagged: int = 0


class SongLibrary:
    """Songs within some folders.

    Parameters
    ----------
    folders
        Where to look; links that lead out of them aren't followed.
    path
        The SQLite file, for these folders alone.
    say
        Told what goes wrong while it looks.

    Raises
    ------
    AudioFileError
        If a folder is missing, or none of them holds a song.
    OutputError
        If the file can't be written.
    """

    def __init__(
        self, folders: Sequence[Path], path: Path, say: Callable[[str], object] = lambda line: None
    ) -> None:
        self._say, self._path = say, path
        check_folders(folders)
        self._roots = _real(folders)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scan, name="streamsep-library", daemon=True)
        self._progress = ScanProgress()
        make_folder(path.parent)
        self._open().close()
        self._found = LibrarySearch(path)

    def _open(self) -> sqlite3.Connection:
        try:
            connection = self._connect()
        except sqlite3.DatabaseError:  # of another version, or damaged: all in it is found again
            try:
                self._path.unlink(missing_ok=True)
                connection = self._connect()
            except (OSError, sqlite3.Error) as error:
                raise OutputError(
                    f"the list of songs {self._path} can't be written ({first_line(error)})",
                    expected="a folder of our own with room",
                    remedy="make room, or let it be written",
                ) from error
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, timeout=30.0)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA):
                raise sqlite3.DatabaseError(f"schema {version}")
            if version == 0:
                connection.executescript(TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def start(self) -> None:
        """Look for songs on a thread of its own; what is known already is there meanwhile."""
        self._progress = ScanProgress(running=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the scan, and say whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the scan and close the file."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._found.close()

    @property
    def progress(self) -> ScanProgress:
        """How far the scan is."""
        return self._progress

    def __len__(self) -> int:
        return len(self._found)

    def search(self, query: str) -> list[LibrarySong]:
        """Return the songs that a query means; see `LibrarySearch.search`."""
        return self._found.search(query)

    def song(self, song_id: int) -> LibrarySong:
        """Return a song by its number; its file may have gone meanwhile.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        return self._found.song(song_id)

    def is_within(self, path: Path) -> bool:
        """Say whether a file is there, and where it really lies is in these folders."""
        real = os.path.realpath(os.fsencode(path))
        return os.path.isfile(real) and any(_inside(real, root) for root in self._roots)

    def _scan(self) -> None:
        try:
            with closing(self._connect()) as connection:
                found = self._find(connection)
                if found is not None:
                    self._read_tags(connection, found)
        except (sqlite3.Error, OSError) as error:
            self._say(
                f"the search for songs has ended before its time ({first_line(error)}): "
                "those found so far are there"
            )
        finally:
            self._progress = ScanProgress(False, self._progress.found, self._progress.tagged)

    def _find(self, connection: sqlite3.Connection) -> int | None:
        """Note all files with what their names say; None if it was ended."""
        (last,) = connection.execute("SELECT coalesce(max(seen), 0) FROM songs").fetchone()
        seen, found = last + 1, 0
        for root in self._roots:
            for path, stamp in _songs_within(root):
                if self._stop.is_set():
                    return None
                _note(connection, root, path, stamp, seen)
                found += 1
                if found % BATCH == 0:
                    connection.commit()
                    self._progress = ScanProgress(True, found)
        for table, key in (("words", "rowid"), ("songs", "id")):
            gone = f"DELETE FROM {table} WHERE {key} IN (SELECT id FROM songs WHERE seen < ?)"
            connection.execute(gone, (seen,))
        connection.commit()
        self._progress = ScanProgress(True, found)
        return found

    def _read_tags(self, connection: sqlite3.Connection, found: int) -> None:
        (waiting,) = connection.execute("SELECT count(*) FROM songs WHERE tagged = 0").fetchone()
        while not self._stop.is_set():
            query = f"SELECT id, root, path FROM songs WHERE tagged = 0 LIMIT {BATCH // 10}"
            rows = connection.execute(query).fetchall()
            if not rows:
                break
            for song_id, root, path in rows:
                tags = read_song_tags(Path(os.fsdecode(path)))
                _write(connection, song_id, tags, _folder(root, path))
            connection.commit()
            waiting -= len(rows)
            self._progress = ScanProgress(True, found, max(0, found - waiting))


def check_folders(folders: Sequence[Path]) -> None:
    """Raise AudioFileError if a folder is missing, or none of them holds a song."""
    for folder, root in zip(folders, _real(folders), strict=True):
        if not os.path.isdir(root):
            raise AudioFileError(
                f"there is no folder {folder}",
                expected="a folder of songs",
                remedy="check the path",
            )
    if not any(True for root in _real(folders) for _ in _songs_within(root)):
        names = " and ".join(str(folder) for folder in folders)
        raise AudioFileError(
            f"{names} holds no sound files",
            expected="songs whose names end as those of sound or video do",
            remedy="check the path",
        )


def _real(folders: Sequence[Path]) -> list[bytes]:
    return [os.fsencode(os.path.realpath(folder)) for folder in folders]


def _songs_within(root: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the songs in a folder and those below it, each with what changes when it does."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            name = os.fsdecode(entry.name)
            if is_hidden(name):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif os.path.splitext(name)[1].lower() in SUFFIXES and _is_song(entry.path, root):
                    status = entry.stat()
                    yield entry.path, f"{status.st_size} {status.st_mtime_ns}"
            except OSError:
                continue


def _is_song(path: bytes, root: bytes) -> bool:
    if is_part_file(Path(os.fsdecode(path))) or not os.path.isfile(path):
        return False
    return not os.path.islink(path) or _inside(os.path.realpath(path), root)


def _inside(path: bytes, root: bytes) -> bool:
    separator = os.fsencode(os.sep)
    return path.startswith(root.rstrip(separator) + separator)


def _note(connection: sqlite3.Connection, root: bytes, path: bytes, stamp: str, seen: int) -> None:
    """Note that a file is there; a new or changed one is known by its name until it is read."""
    row = connection.execute("SELECT id, stamp FROM songs WHERE path = ?", (path,)).fetchone()
    if row is not None and row[1] == stamp:
        connection.execute("UPDATE songs SET seen = ?, root = ? WHERE id = ?", (seen, root, row[0]))
        return
    if row is None:
        values = (root, path, "", "", "", stamp, 0, seen)
        song_id = connection.execute(
            "INSERT INTO songs (root, path, folder, title, artist, stamp, tagged, seen) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        ).lastrowid
    else:
        song_id = row[0]
        connection.execute(
            "UPDATE songs SET root = ?, stamp = ?, seen = ? WHERE id = ?",
            (root, stamp, seen, song_id),
        )
    _write(connection, song_id, tags_of_name(os.fsdecode(path)), _folder(root, path), tagged=0)


def _write(
    connection: sqlite3.Connection,
    song_id: int | None,
    tags: SongTags,
    folder: str,
    tagged: int = 1,
) -> None:
    title, artist, folder = (_shown(text) for text in (tags.title, tags.artist, folder))
    connection.execute(
        "UPDATE songs SET title = ?, artist = ?, folder = ?, seconds = ?, tagged = ? WHERE id = ?",
        (title, artist, folder, tags.seconds, tagged, song_id),
    )
    connection.execute(
        "INSERT OR REPLACE INTO words (rowid, title, artist, folder) VALUES (?, ?, ?, ?)",
        (song_id, spaced(title), spaced(artist), spaced(folder)),
    )


def _folder(root: bytes, path: bytes) -> str:
    return os.fsdecode(os.path.relpath(os.path.dirname(path), root)).removeprefix(".")


def _shown(text: str) -> str:
    text = clean_text(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
