"""Lyrics in time with the music that is heard."""

from __future__ import annotations

from streamsep.lyrics import Lyrics, LyricsMoment
from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.stats import SessionStats
from streamsep.scoring import LineAt

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
        place_s = self._place_s(stats.seconds, stats.latency)
        return WAITING if place_s is None else self._lyrics.at(place_s)

    def line_at(self, seconds: float, latency: LatencyReport) -> LineAt | None:
        """Return the line that is sung to what the session gives out at a moment of its time."""
        heard_s = seconds + latency.ms(latency.device_out) / 1_000.0
        place_s = self._place_s(heard_s, latency)
        if place_s is None:
            return None
        number = self._lyrics.begun(place_s)
        if not number:
            return LineAt(0, "")
        line = self._lyrics.lines[number - 1]
        return LineAt(number, line.text, line.singer)

    def _place_s(self, seconds: float, latency: LatencyReport) -> float | None:
        """Return which place in the song is heard at a moment, None before it is known."""
        began_s = self._began_s
        if began_s is None:
            if not self._from_start:
                return None
            # What the session takes in now is heard when it has gone through all that follows,
            # but for what it took in before its time began.
            late = latency.session - latency.ahead + latency.device_out
            began_s = latency.ms(late) / 1_000.0
        return seconds - began_s - self.offset_s
