"""The songs of a run in their order, and how one of them is opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.song_source import Song
from streamsep.errors import AudioFileError, StreamsepError, as_streamsep_error
from streamsep.events import EventLog

OpenSong = Callable[[Path, int], FileSource]  # a file, and the sample to begin with


class SongList:
    """Songs in order; those that can't be read are left out of it, and named.

    Parameters
    ----------
    songs
        What it begins with.
    open_song
        Opens a file.
    events
        Where is said what is left out.
    """

    def __init__(self, songs: Sequence[Song], open_song: OpenSong, events: EventLog) -> None:
        self._songs, self._open_song = list(songs), open_song
        self._say = partial(events.add, kind="warning")
        self._pipes: dict[Song, Future[FileSource]] = {}  # which may take any time to be opened

    def __len__(self) -> int:
        return len(self._songs)

    def __iter__(self) -> Iterator[Song]:
        return iter(self._songs.copy())

    @property
    def first(self) -> Song | None:
        """The first song, if there is one."""
        return self._songs[0] if self._songs else None

    def near(self, song: Song | None, by: int) -> Song | None:
        """Return the song so many places after another one, or before it; None where none is."""
        place = self._songs.index(song) + by if song in self._songs else -1
        return self._songs[place] if 0 <= place < len(self._songs) else None

    def put_after(self, here: Song | None, song: Song) -> None:
        """Put a song in after another one, or at the end."""
        at = self._songs.index(here) + 1 if here in self._songs else len(self._songs)
        self._songs.insert(at, song)

    def replace_all(self, song: Song) -> None:
        """Have this one alone."""
        self._songs = [song]

    def open(self, song: Song, sample: int) -> FileSource:
        """Open a song's file, from a sample on.

        Raises
        ------
        StreamsepError
            If it can't be read.
        """
        try:
            file = self._open_song(song.path, sample)
        except Exception as error:  # of a library too
            raise as_streamsep_error(error, str(song.path)) from error
        song.duration_s, song.is_pipe = file.duration_s, file.is_pipe
        return file

    def opened(self, song: Song, sample: int) -> FileSource | None:
        """Open a song's file; None of a pipe as long as nothing has come through it: ask again.

        Raises
        ------
        StreamsepError
            If it can't be read.
        """
        if not is_pipe(song.path):
            return self.open(song, sample)
        if song not in self._pipes:
            opening: Future[FileSource] = Future()
            self._pipes[song] = opening
            threading.Thread(
                target=self._open_pipe, args=(song, opening), name="streamsep-pipe", daemon=True
            ).start()
        return self._pipes.pop(song).result() if self._pipes[song].done() else None

    def _open_pipe(self, song: Song, opening: Future[FileSource]) -> None:
        try:
            opening.set_result(self.open(song, 0))
        except BaseException as error:  # raised where it is asked for
            opening.set_exception(error)

    def close(self) -> None:
        """Close pipes that were opened and not played; whoever opens files has to stop first."""
        for opening in self._pipes.values():
            if opening.exception() is None:
                opening.result().close()
        self._pipes.clear()

    def open_first(self) -> FileSource | None:
        """Open the first song that can be read, and leave out those before it.

        Raises
        ------
        AudioFileError
            If there are songs, and none of them can be read.
        """
        faults: list[StreamsepError] = []
        file = None
        while self._songs and file is None:
            try:
                file = self.open(self._songs[0], 0)
            except StreamsepError as error:
                faults.append(error)
                del self._songs[0]
        if len(faults) == 1 and file is None:
            raise faults[0]
        for fault in faults:
            self._say(f"left out: {fault}")
        if faults and file is None:
            raise AudioFileError(
                f"none of {len(faults)} files can be played",
                expected="at least one that can be read as sound",
                remedy="the lines above say what is wrong with each",
                settings=("input",),
            )
        return file

    def leave_out(self, song: Song, error: StreamsepError) -> None:
        """Take a song out, and say why."""
        if song in self._songs:
            self._songs.remove(song)
        self._say(f"left out: {error}")
