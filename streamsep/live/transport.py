"""Where in which song a live run is, and how it gets to another place."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.song_source import Place, Song, SongSource
from streamsep.audio.files.stem_files import StemFiles
from streamsep.errors import ArgumentError, StreamsepError, as_streamsep_error, first_line
from streamsep.events import EventLog
from streamsep.live.prepared_stems import check_stems
from streamsep.realtime import Session
from streamsep.realtime.stats import SongPosition
from streamsep.types import Float32

# Between two looks at what has been heard and what has to be opened.
LOOK_S = 0.02
# From here on "previous" means this song's beginning.
BACK_S = 3.0
STEMS_AHEAD_S = 0.2  # of what is read, when their files come in
LEAST_LOOP_S = 0.5  # a shorter one could end before its beginning has been decoded again

OpenSong = Callable[[Path, int], FileSource]  # the file, and the sample to begin with


@dataclass(frozen=True, slots=True, eq=False)
class _Jump:
    """A place to go to, with its file where that is open already."""

    song: Song
    sample: int = 0
    file: FileSource | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    song: Song
    start: int
    end: int


class Transport:
    """Moves a run within its songs and from one to the next; its methods return at once.

    A jump is made on a thread of its own: the file is opened while the music goes on, the song is
    faded out and held, the session reads ahead at the new place, and it is let go. So latency stays
    as it is and nothing counts as missed. Of several jumps the last one counts.

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
    open_song
        Opens a file.
    stems
        What the model gives.
    stays
        Whether the run goes on without a song, as silence, until there is one.
    events
        Where is said what couldn't be played.

    Attributes
    ----------
    on_song_end
        Called on that thread with the file of each song that was heard to its end.
    """

    def __init__(
        self,
        session: Session,
        source: SongSource,
        songs: Sequence[Song],
        first: FileSource | None,
        open_song: OpenSong,
        *,
        stems: tuple[str, ...],
        stays: bool,
        events: EventLog,
    ) -> None:
        self._session, self._source, self._events = session, source, events
        self._open_file, self._stays, self._stems = open_song, stays, stems
        self._stems_due: Song | None = None  # whose stems are to be opened
        self._retired: list[StemFiles] = []
        self._songs, self._first = list(songs), first
        self._rate = source.sample_rate
        self.on_song_end: Callable[[Path], object] = lambda song: None
        self._lock = threading.RLock()
        self._wanted: _Jump | None = None
        self._doing: _Jump | None = None
        self._loop: _Loop | None = None
        self._reloop = False  # what was to follow isn't any more
        self._paused, self._idle = False, not self._songs
        self._heard: Song | None = self._songs[0] if self._songs else None
        self._looked = 0  # how much had been heard then
        self._abort, self._closing = threading.Event(), threading.Event()
        self._asked = threading.Event()
        self.fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="streamsep-transport", daemon=True)
        source.tail = lambda: session.latency.session
        source.more = stays or len(self._songs) > 1
        session.song = self.now

    # What is to be known of it.

    @property
    def paused(self) -> bool:
        """Whether the song stands still because somebody said so."""
        return self._paused

    @property
    def idle(self) -> bool:
        """Whether no song plays, and none is about to."""
        return self._idle

    @property
    def looping(self) -> bool:
        """Whether a part is repeated."""
        return self._loop is not None

    @property
    def several(self) -> bool:
        """Whether there is another song to go to."""
        return len(self._songs) > 1

    def place(self) -> Place:
        """Return what is heard now, or will be when the jump is made that was asked for."""
        with self._lock:
            jump = self._wanted or self._doing
            if jump is not None:
                return Place(jump.song, jump.sample)
            return self._source.place(self._session.heard)

    def now(self) -> SongPosition | None:
        """Return the same for screens and logs; None where nothing plays."""
        song, sample = self.place()
        if song is None:
            return None
        position_s = max(sample, 0) / self._rate
        if song.duration_s is not None:
            position_s = min(position_s, song.duration_s)
        return SongPosition(song.path, position_s, song.duration_s, self._paused)

    # What can be asked of it.

    def pause(self) -> None:
        """Have the song stand still."""
        with self._lock:
            self._paused = True
            self._hold()

    def resume(self) -> None:
        """Have it go on from where it stands, to the sample."""
        with self._lock:
            self._paused = False
            self._hold()

    def seek(self, seconds: float) -> None:
        """Go to a place in the song: before its beginning is that, after its end is that.

        Raises
        ------
        ArgumentError
            If nothing plays, it can't be moved in, or ``seconds`` is no number.
        """
        with self._lock:
            song = self._song_to_move()
            if not math.isfinite(seconds):
                raise _no_place(f"{seconds} s is no place in a song")
            most = seconds if song.duration_s is None else song.duration_s
            self._jump(_Jump(song, round(max(min(seconds, most), 0.0) * self._rate)))

    def step(self, by: int) -> None:
        """Go on to the next song or back to the one before, and play.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        with self._lock:
            here = self.place()
            place = self._songs.index(here.song) if here.song in self._songs else 0
            if by < 0 and (not place or here.sample > BACK_S * self._rate):
                self.seek(0.0)
            elif 0 <= place + by < len(self._songs):
                self._jump(_Jump(self._songs[place + by]))
            else:
                raise ArgumentError(
                    "no song comes after this one",
                    expected="several songs",
                    remedy="give more of them, or a playlist",
                    settings=("input",),
                )
            self.resume()

    def loop(self, start_s: float | None, end_s: float | None = None) -> None:
        """Repeat a part of the song without a gap, until it is left; None ends that.

        Raises
        ------
        ArgumentError
            If nothing plays, it can't be moved in, or that is no part of it.
        """
        with self._lock:
            if start_s is None:
                self._loop, self._reloop = None, True
                return
            song = self._song_to_move()
            length_s = math.inf if song.duration_s is None else song.duration_s
            end_s = length_s if end_s is None else min(end_s, length_s)
            if not (start_s >= 0 and start_s + LEAST_LOOP_S <= end_s < math.inf):
                raise _no_place(f"from {start_s} to {end_s} s is no part to repeat")
            loop = _Loop(song, round(start_s * self._rate), round(end_s * self._rate))
            self._loop, self._reloop = loop, True
            reading = self._source.reading
            if reading.song is not song or reading.sample > loop.end:
                self._jump(_Jump(song, loop.start))

    def play(self, song: Song) -> None:
        """Change over to a song, now.

        Raises
        ------
        AudioFileError
            If it can't be read; all goes on as it was then.
        ArgumentError
            If its stems aren't those of the model.
        """
        if song.stems:
            song.stems = check_stems(song.stems, self._stems)
        file = self._open(song, 0)
        with self._lock:
            if self._stays:
                self._songs = [song]
            else:
                here = self.place().song
                at = self._songs.index(here) + 1 if here in self._songs else len(self._songs)
                self._songs.insert(at, song)
            self._jump(_Jump(song, file=file))
            self.resume()

    def use_stems(self, stems: Mapping[str, Path]) -> None:
        """Take the present song's stems from files, from now on.

        Raises
        ------
        ArgumentError
            If nothing plays, or these aren't the stems of the model.
        AudioFileError
            If a file isn't there.
        """
        files = check_stems(stems, self._stems)
        with self._lock:
            song = self.place().song
            if song is None:
                raise _nothing_plays()
            song.stems = files
            self._stems_due = song
            self._asked.set()

    def _song_to_move(self) -> Song:
        song = self.place().song
        if song is None:
            raise _nothing_plays()
        if song.is_pipe:
            raise ArgumentError(
                f"{song.path} comes through a pipe, and can't be moved in",
                expected="a file",
                remedy="save it to a file first",
                settings=("input",),
            )
        return song

    def _jump(self, jump: _Jump) -> None:
        with self._lock:
            if self._wanted is not None and self._wanted.file is not None:
                self._wanted.file.close()
            if self._loop is not None and self._loop.song is not jump.song:
                self._loop = None
            self._wanted, self._idle = jump, False
            self._abort.set()
            self._asked.set()

    def _hold(self) -> None:
        with self._lock:
            moving = self._doing is not None
            self._session.hold(self._paused or self._idle or moving)

    # What it does about it.

    def begin(self, stop: threading.Event) -> None:
        """Read the first song ahead, before the clock starts; then go on by itself."""
        if self._first is not None:
            self._first.start()
            self._source.play(self._songs[0], self._first)
            self._prepare()
            self._read_ahead(stop)
        else:
            self._hold()
        self._thread.start()

    def close(self) -> None:
        """End what is under way, and wait for that."""
        self._closing.set()
        self._abort.set()
        self._asked.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._look()  # the last song may have ended since
        for song in (*self._songs, self._heard):
            if song is not None:
                self._retire(song)
        self._reap()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._asked.wait(LOOK_S)
                self._asked.clear()
                self._look()
                self._move()
                self._prepare()
                self._bring_stems()
                self._reap()
        except Exception as error:  # told by whoever watches
            self.fault = error

    def _look(self) -> None:
        """Tell of songs that have ended, and be idle after the last one."""
        with self._lock:
            if self._wanted is not None or self._doing is not None:
                return
            before, self._looked = self._looked, self._session.heard
            changes = self._source.begun(before, self._looked)
            heard, self._heard = self._heard, changes[-1] if changes else self._heard
            if self._heard is None and self._stays and self._source.reading.song is None:
                self._idle = True
                self._hold()
        for song in changes:
            ended, heard = heard, song
            if ended is song:
                continue
            if song is not None:
                self._events.add(f"{song.path} plays now")
            if ended is not None:
                self._retire(ended)
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
            with self._lock:
                jump, self._wanted = self._wanted, None
                self._doing = jump or self._doing
                self._abort.clear()
            if jump is None:
                return
            if not self._closing.is_set() and self._make(jump):
                with self._lock:
                    if self._wanted is None:
                        self._doing = None
                        self._hold()

    def _make(self, jump: _Jump) -> bool:
        """Make it; False where another one is wanted meanwhile."""
        try:
            file = jump.file or self._open(jump.song, jump.sample)
            file.start()
        except StreamsepError as error:
            self._leave_out(jump.song, error)
            return True
        stems = self._open_stems(jump.song, file.begins_at)
        if self._abort.is_set() or not self._session.stand_still(self._closing):
            file.close()
            self._retired += [] if stems is None else [stems]
            return False
        self._source.play(jump.song, file)
        if self._heard is not None:
            self._retire(self._heard)
        jump.song.readers = () if stems is None else (stems,)
        with self._lock:
            changed, self._heard = self._heard is not jump.song, jump.song
        if changed and self.several:
            self._events.add(f"{jump.song.path} plays now")
        self._prepare()
        self._read_ahead(self._abort)
        self._looked = self._session.heard
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
        with self._lock:
            loop = self._loop
            if self._reloop:
                self._reloop = False
                source.drop_next()
            if not source.waiting or self._wanted is not None:
                return
            here = source.reading.song or (source.last if source.more else None)
            following = self._following(here, loop)
        if following is None or here is None:
            source.more = self._stays
            return
        song, sample = following
        try:
            file = self._open(song, sample)
            file.start()
        except StreamsepError as error:
            self._leave_out(song, error)
            return
        if song is here and (stems := self._open_stems(song, file.begins_at)) is not None:
            self._retired += song.readers[:-2]
            song.readers = (*song.readers[-2:], stems)
        source.follow(song, file, loop.end if loop is not None and song is loop.song else None)
        source.more = True

    def _following(self, here: Song | None, loop: _Loop | None) -> tuple[Song, int] | None:
        if loop is not None and here is loop.song:
            return here, loop.start
        if here not in self._songs:
            return None
        after = self._songs[self._songs.index(here) + 1 :]
        return (after[0], 0) if after else None

    def _open_stems(self, song: Song, sample: int) -> StemFiles | None:
        """Open the stems of a song from a sample on, if it has some."""
        if not song.stems:
            return None
        rate, channels = self._rate, self._source.channels
        try:
            return StemFiles(
                song.stems, self._open_file, sample, sample_rate=rate, channels=channels
            )
        except Exception as error:  # of a library too
            song.stems = {}
            ours = as_streamsep_error(error, str(song.path))
            self._events.add(f"{song.path} is separated live: {ours}", kind="warning")
            return None

    def _bring_stems(self) -> None:
        """Open the stems of the song that plays, a moment ahead of what is read of it."""
        with self._lock:
            song, self._stems_due = self._stems_due, None
        place = self._source.reading
        if song is None or place.song is not song:
            return  # it is over, or a jump brings them
        stems = self._open_stems(song, place.sample)
        if stems is None:
            return
        while not self._closing.is_set():
            place = self._source.reading
            due = place.sample + round(STEMS_AHEAD_S * self._rate)
            if place.song is not song or stems.at >= place.sample:
                break
            stems.pass_to(due)
        self._retired += song.readers
        song.readers = (stems,)

    def _retire(self, song: Song) -> None:
        self._retired += song.readers
        song.readers = ()

    def _reap(self) -> None:
        """Close what nobody reads any more."""
        self._source.reap()
        retired, self._retired = self._retired, []
        for stems in retired:
            stems.close()

    def _open(self, song: Song, sample: int) -> FileSource:
        try:
            file = self._open_file(song.path, sample)
        except Exception as error:  # of a library too
            raise as_streamsep_error(error, str(song.path)) from error
        song.duration_s, song.is_pipe = file.duration_s, file.is_pipe
        return file

    def _leave_out(self, song: Song, error: StreamsepError) -> None:
        with self._lock:
            if song in self._songs and song is not self._heard:
                self._songs.remove(song)
        if not self._closing.is_set():
            self._events.add(f"left out: {error}", kind="warning")


def _nothing_plays() -> ArgumentError:
    return ArgumentError(
        "nothing plays that could be moved in",
        expected="a song",
        remedy="play one first",
        settings=("input",),
    )


def _no_place(what: str) -> ArgumentError:
    return ArgumentError(
        what,
        expected=f"seconds in the song, a part of at least {LEAST_LOOP_S} s",
        remedy="choose others",
    )
