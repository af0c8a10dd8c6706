"""The files of stems that a run reads: opened, put in with a song, and closed again."""

from __future__ import annotations

import threading

from streamsep.audio.files.song_source import Song, SongSource
from streamsep.audio.files.stem_files import StemFiles
from streamsep.errors import as_streamsep_error
from streamsep.events import EventLog
from streamsep.live.song_list import OpenSong

AHEAD_S = 0.2  # of what is read of a song, when files come in while it plays


class SongStems:
    """Opens the stems of songs where they are needed, on the thread that moves songs.

    Parameters
    ----------
    source
        What the songs are read from.
    open_song
        Opens a file.
    events
        Where is said whose stems can't be read.
    """

    def __init__(self, source: SongSource, open_song: OpenSong, events: EventLog) -> None:
        self._source, self._open_song, self._events = source, open_song, events
        self._retired: list[StemFiles] = []

    def open(self, song: Song, sample: int) -> StemFiles | None:
        """Open the stems of a song from a sample on, if it has some."""
        if not song.stems:
            return None
        rate, channels = self._source.sample_rate, self._source.channels
        try:
            return StemFiles(
                song.stems, self._open_song, sample, sample_rate=rate, channels=channels
            )
        except Exception as error:  # of a library too
            song.stems = {}
            ours = as_streamsep_error(error, str(song.path))
            self._events.add(f"{song.path} is separated live: {ours}", kind="warning")
            return None

    def begin(self, song: Song, stems: StemFiles | None) -> None:
        """Let these alone be read with a song, from now on."""
        self.retire(song)
        song.readers = () if stems is None else (stems,)

    def follow(self, song: Song, stems: StemFiles | None) -> None:
        """Let these be read too: where a part of the song comes again, or by another model."""
        if stems is not None:
            self._retired += song.readers[:-2]
            song.readers = (*song.readers[-2:], stems)

    def bring(self, song: Song, stop: threading.Event) -> None:
        """Open the stems of the song that plays, a moment ahead of what is read of it."""
        place = self._source.reading
        if place.song is not song:
            return  # it is over
        stems = self.open(song, place.sample)
        if stems is None:
            return
        while not stop.is_set():
            place = self._source.reading
            if place.song is not song or stems.at >= place.sample:
                break
            stems.pass_to(place.sample + round(AHEAD_S * self._source.sample_rate))
        self.follow(song, stems)

    def retire(self, song: Song) -> None:
        """Read nothing more of a song."""
        self._retired += song.readers
        song.readers = ()

    def drop(self, stems: StemFiles | None) -> None:
        """Close these, which weren't put in."""
        self._retired += [] if stems is None else [stems]

    def reap(self) -> None:
        """Close what nobody reads any more."""
        retired, self._retired = self._retired, []
        for stems in retired:
            stems.close()
