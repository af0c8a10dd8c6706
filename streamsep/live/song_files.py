"""The songs of a live run: from what a user gives to files that are open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.pipe_input import STDIN
from streamsep.audio.files.playlist import is_playlist, read_playlist
from streamsep.audio.files.song_source import Song
from streamsep.audio.files.sound_choice import SoundChoice
from streamsep.events import EventLog
from streamsep.live.config import LiveConfig
from streamsep.live.song_list import OpenSong
from streamsep.spec import SeparatorSpec


class _Ended(Exception):  # noqa: N818  # no error: the end of a wait that isn't wanted any more
    pass


def songs_of(config: LiveConfig, events: EventLog) -> list[Song]:
    """Return the songs that a run's input names, in order; none where it is a device.

    Raises
    ------
    AudioFileError
        If a playlist can't be read, or has no file that is there.
    """
    if config.listening != "file":
        return []
    say = partial(events.add, kind="warning")
    songs = []
    for name in config.inputs:
        if is_playlist(name):
            songs += [Song(path) for path in read_playlist(Path(name), say)]
        else:
            songs.append(Song(STDIN if name == "-" else Path(name)))
    return songs


def song_opener(
    spec: SeparatorSpec,
    choice: SoundChoice,
    on_notice: Callable[[Notice], object],
    stopping: Callable[[], bool],
) -> OpenSong:
    """Return what opens a file for a model, and gives up waiting for a pipe when it is to stop."""

    def go_on() -> None:
        if stopping():
            raise _Ended

    def open_song(path: Path, start: int) -> FileSource:
        return FileSource(
            path,
            sample_rate=spec.sample_rate,
            channels=spec.channels,
            choice=choice,
            on_notice=on_notice,
            begin_at=start,
            waiting=go_on,
        )

    return open_song
