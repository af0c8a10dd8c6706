"""Lyrics in time with the music that is heard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamsep.lyrics import Lyrics, LyricsMoment
from streamsep.realtime import Session
from streamsep.realtime.stats import SessionStats, SongPosition
from streamsep.scoring import LineAt

WAITING = LyricsMoment(current="", sung=0, next="space when the song begins", wait_s=None)


class Prompter:
    """Knows where in the song a session is.

    Parameters
    ----------
    lyrics
        What to show; or what tells the lyrics of a song by its file, None where it has none.
    from_start
        Whether the session's input is the song itself; otherwise `begin` says when it starts.

    Attributes
    ----------
    offset_s
        How much later than their times lyrics are shown.
    """

    def __init__(
        self, lyrics: Lyrics | Callable[[Path], Lyrics | None], *, from_start: bool
    ) -> None:
        self._lyrics, self._from_start = lyrics, from_start
        self._began_s: float | None = None
        self.offset_s = 0.0

    def begin(self, stats: SessionStats) -> None:
        """Note that the song is heard to begin at this moment."""
        self._began_s, self.offset_s = stats.seconds, 0.0

    def move(self, by_s: float) -> None:
        """Show lyrics later by so much, or sooner if negative."""
        self.offset_s += by_s

    def at(self, stats: SessionStats) -> LyricsMoment | None:
        """Return what is to be sung at the moment of a snapshot; None of a song without lyrics."""
        if self._began_s is None and not self._from_start:
            return WAITING
        # What comes out of the session now is heard when it has gone through the device.
        late_s = stats.latency.ms(stats.latency.device_out) / 1_000.0
        place_s = self._place_s(stats.seconds, stats.song, late_s)
        if place_s is None:
            return LyricsMoment(current="", sung=0, next="", wait_s=None)
        lyrics = self._lyrics_of(stats.song)
        return None if lyrics is None else lyrics.at(place_s)

    def line_at(self, seconds: float, session: Session) -> LineAt | None:
        """Return the line that is sung to what the session gives out at a moment of its time."""
        late_s = session.latency.ms(session.latency.device_out) / 1_000.0
        song = session.song()
        lyrics = self._lyrics_of(song)
        place_s = self._place_s(session.seconds + late_s, song, 0.0)
        if place_s is None or lyrics is None:
            return None
        number = lyrics.begun(place_s - (session.seconds - seconds))
        if not number:
            return LineAt(0, "")
        line = lyrics.lines[number - 1]
        return LineAt(number, line.text, line.singer)

    def _lyrics_of(self, song: SongPosition | None) -> Lyrics | None:
        if isinstance(self._lyrics, Lyrics):
            return self._lyrics
        return None if song is None else self._lyrics(song.path)

    def _place_s(self, seconds: float, song: SongPosition | None, late_s: float) -> float | None:
        """Return which place in the lyrics is heard, None where that isn't known.

        By when the song was said to begin; else by where its file is, ``late_s`` before.
        """
        if self._began_s is not None:
            return seconds - self._began_s - self.offset_s
        return None if song is None else song.position_s - late_s - self.offset_s
