"""What the guards on the way of the sound did, in words: silenced samples, and the limiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamsep.dsp.decibels import to_db
from streamsep.dsp.limiter import Limiter
from streamsep.events import EventLog

QUIET_S = 10.0  # after so long without more, more is news again


class GuardWatch:
    """Looks at what guards count, from one thread that isn't the audio's, and tells.

    Parameters
    ----------
    counts
        Asked for the samples that were silenced, by what they came from.
    limiter
        Of the mix.
    block_s
        Of the limiter's blocks.
    events
        Where it is noted.
    """

    def __init__(
        self,
        counts: Callable[[], Mapping[str, int]],
        limiter: Limiter,
        block_s: float,
        events: EventLog,
    ) -> None:
        self._counts, self._limiter, self._block_s = counts, limiter, block_s
        self._events = events
        self._last: dict[str, int] = {}
        self._at: dict[str, float] = {}

    def look(self) -> None:
        """Note what is new."""
        for name, count in self._counts().items():
            if self._is_news(name, count):
                self._events.add(
                    f"{name}: samples that are no sound (NaN, Inf or absurdly loud): silence there"
                )
        if self._is_news("mix", self._limiter.blocks):
            self._events.add(
                "the mix goes beyond full scale: it is turned down there",
                settings=("master_gain",),
            )

    def _is_news(self, name: str, count: int) -> bool:
        if count == self._last.get(name, 0):
            return False
        now = self._events.clock()
        quiet_s = now - self._at.get(name, now - QUIET_S)
        self._last[name], self._at[name] = count, now
        return quiet_s >= QUIET_S

    def end(self) -> None:
        """Report the sums."""
        for name, count in self._counts().items():
            if count:
                line = (
                    f"{name}: {count} samples were no sound (NaN, Inf, absurdly loud) and silenced"
                )
                self._events.add(line, kind="warning")
        if self._limiter.blocks:
            self._events.add(
                f"the mix went beyond full scale: turned down by up to "
                f"{-to_db(self._limiter.lowest):.1f} dB, for "
                f"{self._limiter.blocks * self._block_s:.1f} s in all; less master gain keeps it "
                "as it is",
                kind="report",
                settings=("master_gain",),
            )
