"""The thread that opens songs, makes jumps within and between them, and sees them end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.song_source import Place, Song, SongSource
from streamsep.errors import StreamsepError, first_line
from streamsep.events import EventLog
from streamsep.live.song_list import OpenSong, SongList
from streamsep.live.song_stems import SongStems
from streamsep.realtime import Session
from streamsep.types import Float32

# Between two looks at what has been heard and what has to be opened.
LOOK_S = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Jump:
    """A place to go to, with its file where that is open already; or the song's end."""

    song: Song
    sample: int = 0
    file: FileSource | None = None
    ends: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A part of a song that is repeated, by its samples."""

    song: Song
    start: int
    end: int


class SongMover:
    """Makes jumps: the one thread beside the audio thread that touches what is read.

    The file is opened while the music goes on; then the song is faded out and held, the session
    reads ahead at the new place, and it is let go. So latency stays as it is and nothing counts as
    missed. Of several jumps the last one counts.

    Parameters
    ----------
    session
        Runs; it is held and let go from here alone.
    source
        What it is fed from.
    songs
        In order.
    first
        The file of the first one.
    open_stem
        Opens a stem's file.
    stays
        Whether the run goes on without a song, as silence, until there is one.
    events
        Where is said what couldn't be played.

    Attributes
    ----------
    lock
        Held by whoever changes what follows.
    paused, idle
        Whether the song stands still because somebody said so, or because there is none.
    loop, reloop
        What is repeated, and whether that has changed.
    on_song_end
        Called on this thread with the file of each song that was heard to its end.
    fault
        What ended the thread.
    """

    def __init__(
        self,
        session: Session,
        source: SongSource,
        songs: SongList,
        first: FileSource | None,
        open_stem: OpenSong,
        *,
        stays: bool,
        events: EventLog,
    ) -> None:
        self._session, self._source, self._events = session, source, events
        self._songs, self._first, self._stays = songs, first, stays
        self._song_stems = SongStems(source, open_stem, events)
        self.lock = threading.RLock()
        self.paused, self.idle = False, not songs
        self.loop: Loop | None = None
        self.reloop = False
        self.on_song_end: Callable[[Path], object] = lambda song: None
        self.fault: Exception | None = None
        self._wanted: Jump | None = None
        self._doing: Jump | None = None
        self._heard = songs.first
        self._looked = 0  # how much had been heard then
        self._abort, self._closing = threading.Event(), threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamsep-songs", daemon=True)
        source.tail = lambda: session.latency.session
        source.more = stays or len(songs) > 1

    def place(self) -> Place:
        """Return what is heard now, or will be when the jump is made that was asked for."""
        with self.lock:
            jump = self._wanted or self._doing
            if jump is not None:
                return Place(jump.song, jump.sample)
            return self._source.place(self._session.heard)

    def jump(self, jump: Jump) -> None:
        """Have a jump made, in place of one that hasn't been; it plays when it has."""
        with self.lock:
            if self._wanted is not None and self._wanted.file is not None:
                self._wanted.file.close()
            if self.loop is not None and (jump.ends or self.loop.song is not jump.song):
                self.loop = None
            self._wanted, self.idle = jump, False
            self._abort.set()
            self._asked.set()

    def hold(self) -> None:
        """Hold the song, or let it go, as everything asks for it."""
        with self.lock:
            moving = self._doing is not None
            self._session.hold(self.paused or self.idle or moving)

    def begin(self, stop: threading.Event) -> None:
        """Read the first song ahead, before the clock starts; then go on by itself."""
        if self._first is not None:
            self._first.start()
            self._source.play(self._songs.first, self._first)
            self._prepare()
            self._read_ahead(stop)
        else:
            self.hold()
        self._thread.start()

    def close(self) -> None:
        """End what is under way, and wait for that."""
        self._closing.set()
        self._abort.set()
        self._asked.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._look()  # the last song may have ended since
        self._songs.close()
        self._source.close()  # what was put in after the last block was read
        for song in (*self._songs, self._heard):
            if song is not None:
                self._song_stems.retire(song)
        self._song_stems.reap()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._asked.wait(LOOK_S)
                self._asked.clear()
                self._look()
                self._move()
                self._prepare()
                self._bring_stems()
                self._source.reap()
                self._song_stems.reap()
        except Exception as error:  # told by whoever watches
            self.fault = error

    def _look(self) -> None:
        """Tell of songs that have ended, and be idle after the last one."""
        with self.lock:
            if self._wanted is not None or self._doing is not None:
                return
            before, self._looked = self._looked, self._session.heard
            changes = self._source.begun(before, self._looked)
            if self._stays and self._source.fault is not None:
                self._events.add(f"a song has ended early: {self._source.fault}", kind="warning")
                self._source.fault = None
            heard, self._heard = self._heard, changes[-1] if changes else self._heard
            if self._heard is None and self._stays and self._source.reading.song is None:
                self.idle = True
                self.hold()
        for song in changes:
            ended, heard = heard, song
            if ended is song:
                continue
            if song is not None:
                self._events.add(f"{song.path} plays now")
            if ended is not None:
                self._song_stems.retire(ended)
                self._tell_end(ended)

    def _tell_end(self, song: Song) -> None:
        try:
            self.on_song_end(song.path)
        except Exception as error:  # of whoever listens: the music goes on
            self._events.add(
                f"what was to be done at a song's end has failed ({first_line(error)})"
            )

    def _move(self) -> None:
        """Make the jump that was asked for last."""
        while not self._closing.is_set():
            with self.lock:
                jump, self._wanted = self._wanted, None
                self._doing = jump or self._doing
                self._abort.clear()
            if jump is None:
                return
            if not self._closing.is_set() and self._make(jump):
                with self.lock:
                    if self._wanted is None:
                        self._doing = None
                        self.hold()

    def _make(self, jump: Jump) -> bool:
        """Make it; False where another one is wanted meanwhile."""
        if jump.ends:
            return self._end_song(jump.song)
        try:
            file = jump.file or self._songs.opened(jump.song, jump.sample)
            while file is None:  # a pipe that gives nothing yet: the music goes on meanwhile
                if self._abort.wait(LOOK_S):
                    return False
                file = self._songs.opened(jump.song, jump.sample)
            file.start()
        except StreamsepError as error:
            self._leave_out(jump.song, error)
            return True
        stems = self._song_stems.open(jump.song, file.begins_at)
        if self._abort.is_set() or not self._session.stand_still(self._closing):
            file.close()
            self._song_stems.drop(stems)
            return False
        self._source.play(jump.song, file)
        if self._heard is not None:
            self._song_stems.retire(self._heard)
        self._song_stems.begin(jump.song, stems)
        with self.lock:
            changed, self._heard = self._heard is not jump.song, jump.song
        if changed and len(self._songs) > 1:
            self._events.add(f"{jump.song.path} plays now")
        self._prepare()
        self._read_ahead(self._abort)
        self._looked = self._session.heard
        return True

    def _end_song(self, song: Song) -> bool:
        """Leave a song as if it had been heard to its end."""
        if not self._session.stand_still(self._closing):
            return False
        self._source.play(None, None)
        self._song_stems.retire(song)
        self._prepare()
        self._read_ahead(self._abort)
        return True

    def _read_ahead(self, stop: threading.Event) -> None:
        """Feed the session so much of the song that no latency is heard."""
        source = self._source

        def read(out: Float32) -> None:
            source.wait_for(len(out), stop)
            source.read(out)
            if source.waiting:
                self._prepare()  # a short song may be over

        self._session.read_ahead(read, stop)

    def _prepare(self) -> None:
        """Open what follows, so that it is there in time."""
        source = self._source
        with self.lock:
            loop, following = self.loop, None
            if self.reloop:
                source.drop_next()
            if source.waiting and self._wanted is None:
                here = source.reading.song or (source.last if source.more else None)
                following = None if here is None else self._following(here, loop)
                # Before it is opened: the last file may come to its end, and the run, meanwhile.
                source.more = self._stays or following is not None
            self.reloop = False
        if following is None:
            return
        song, sample = following
        try:
            file = self._songs.opened(song, sample)
            if file is None:
                return
            file.start()
        except StreamsepError as error:
            self._leave_out(song, error)
            return
        if song is here:
            self._song_stems.follow(song, self._song_stems.open(song, file.begins_at))
        source.follow(song, file, loop.end if loop is not None and song is loop.song else None)

    def _following(self, here: Song | None, loop: Loop | None) -> tuple[Song, int] | None:
        if loop is not None and here is loop.song:
            return here, loop.start
        after = self._songs.near(here, 1)
        return None if after is None else (after, 0)

    def _bring_stems(self) -> None:
        song = self._source.reading.song
        if song is not None and song.asks:
            self._song_stems.bring(song, self._closing)
            song.asks = False

    def _leave_out(self, song: Song, error: StreamsepError) -> None:
        with self.lock:
            if song is self._heard:
                self.loop = None
                self._events.add(f"{song.path} goes on where it was: {error}", kind="warning")
            elif not self._closing.is_set():
                self._songs.leave_out(song, error)
