"""Where in which song a live run is, and how it gets to another place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from streamsep.audio.files.song_source import Place, Song, SongSource
from streamsep.errors import ArgumentError
from streamsep.live.prepared_stems import check_stems
from streamsep.live.song_list import SongList
from streamsep.live.song_mover import Jump, Loop, SongMover
from streamsep.realtime import Session
from streamsep.realtime.stats import SongPosition

# From here on "previous" means this song's beginning.
BACK_S = 3.0
LEAST_LOOP_S = 0.5  # a shorter one could end before its beginning has been decoded again


class Transport:
    """Moves a run within its songs and from one to the next; its methods return at once.

    Parameters
    ----------
    mover
        Makes the jumps.
    session, source, songs
        As it has them.
    stems
        What the model gives.
    stays
        Whether the run goes on without a song.
    """

    def __init__(
        self,
        mover: SongMover,
        session: Session,
        source: SongSource,
        songs: SongList,
        *,
        stems: tuple[str, ...],
        stays: bool,
    ) -> None:
        self._mover, self._source, self._songs = mover, source, songs
        self._stems, self._stays = stems, stays
        self._rate = source.sample_rate
        session.song = self.now

    @property
    def paused(self) -> bool:
        """Whether the song stands still because somebody said so."""
        return self._mover.paused

    @property
    def idle(self) -> bool:
        """Whether no song plays, and none is about to."""
        return self._mover.idle

    @property
    def looping(self) -> bool:
        """Whether a part is repeated."""
        return self._mover.loop is not None

    @property
    def several(self) -> bool:
        """Whether there is another song to go to."""
        return len(self._songs) > 1

    def place(self) -> Place:
        """Return what is heard now, or will be when the jump is made that was asked for."""
        return self._mover.place()

    def now(self) -> SongPosition | None:
        """Return the same for screens and logs; None where nothing plays."""
        song, sample = self.place()
        if song is None:
            return None
        position_s = max(sample, 0) / self._rate
        if song.duration_s is not None:
            position_s = min(position_s, song.duration_s)
        return SongPosition(song.path, position_s, song.duration_s, self._mover.paused)

    def pause(self) -> None:
        """Have the song stand still."""
        with self._mover.lock:
            self._mover.paused = True
            self._mover.hold()

    def resume(self) -> None:
        """Have it go on from where it stands, to the sample."""
        with self._mover.lock:
            self._mover.paused = False
            self._mover.hold()

    def seek(self, seconds: float) -> None:
        """Go to a place in the song: before its beginning is that, after its end is that.

        Raises
        ------
        ArgumentError
            If nothing plays, it can't be moved in, or ``seconds`` is no number.
        """
        with self._mover.lock:
            song = self._song_to_move()
            if not math.isfinite(seconds):
                raise _no_place(f"{seconds} s is no place in a song")
            ends = song.duration_s is not None and seconds >= song.duration_s
            place_s = song.duration_s if ends and song.duration_s else max(seconds, 0.0)
            self._mover.jump(Jump(song, round(place_s * self._rate), ends=ends))

    def step(self, by: int) -> None:
        """Go on to the next song or back to the one before, and play.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        with self._mover.lock:
            here = self._mover.place()
            if here.song is None:  # between two, as long as a pipe gives nothing
                song = self._songs.near(self._source.last, max(by, 0))
            else:
                song = self._songs.near(here.song, by)
            far = here.song is not None and here.sample > BACK_S * self._rate
            if by < 0 and (song is None or far):
                self.seek(0.0)
            elif song is not None:
                self._mover.jump(Jump(song))
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
        with self._mover.lock:
            if start_s is None:
                self._mover.loop, self._mover.reloop = None, True
                return
            song = self._song_to_move()
            length_s = math.inf if song.duration_s is None else song.duration_s
            end_s = length_s if end_s is None else min(end_s, length_s)
            if not (start_s >= 0 and start_s + LEAST_LOOP_S <= end_s < math.inf):
                raise _no_place(f"from {start_s} to {end_s} s is no part to repeat")
            loop = Loop(song, round(start_s * self._rate), round(end_s * self._rate))
            self._mover.loop, self._mover.reloop = loop, True
            reading = self._source.reading
            if reading.song is not song or reading.sample > loop.end:
                self._mover.jump(Jump(song, loop.start))

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
        file = self._songs.open(song, 0)
        with self._mover.lock:
            if self._stays:
                self._songs.replace_all(song)
            else:
                self._songs.put_after(self._mover.place().song, song)
            self._mover.jump(Jump(song, file=file))
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
        with self._mover.lock:
            song = self._mover.place().song
            if song is None:
                raise _nothing_plays()
            song.stems = files

    def _song_to_move(self) -> Song:
        song = self._mover.place().song
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
