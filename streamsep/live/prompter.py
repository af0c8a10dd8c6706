"""Lyrics in time with the music that is heard."""

from __future__ import annotations

from streamsep.lyrics import Lyrics, LyricsMoment
from streamsep.realtime.stats import SessionStats

WAITING = LyricsMoment(current="", sung=0, next="space when the song begins", wait_s=None)


class Prompter:
    """Knows where in the song a session is.

    Parameters
    ----------
    lyrics
        What to show.
    from_start
        Whether the session's input is the song itself; otherwise `begin` says when it starts.

    Attributes
    ----------
    offset_s
        How much later than their times lyrics are shown.
    """

    def __init__(self, lyrics: Lyrics, *, from_start: bool) -> None:
        self._lyrics, self._from_start = lyrics, from_start
        self._began_s: float | None = None
        self.offset_s = 0.0

    def begin(self, stats: SessionStats) -> None:
        """Note that the song is heard to begin at this moment."""
        self._began_s, self.offset_s = stats.seconds, 0.0

    def move(self, by_s: float) -> None:
        """Show lyrics later by so much, or sooner if negative."""
        self.offset_s += by_s

    def at(self, stats: SessionStats) -> LyricsMoment:
        """Return what is to be sung at the moment of a snapshot."""
        began_s = self._began_s
        if began_s is None:
            if not self._from_start:
                return WAITING
            if stats.song is None:
                return LyricsMoment(current="", sung=0, next="", wait_s=None)
            # What comes out of the session now is heard when it has gone through the device.
            late_s = stats.latency.ms(stats.latency.device_out) / 1_000.0
            return self._lyrics.at(stats.song.position_s - late_s - self.offset_s)
        return self._lyrics.at(stats.seconds - began_s - self.offset_s)
