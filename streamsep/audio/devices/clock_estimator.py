"""Where two devices' clocks stand to each other, and so how long the way between them takes."""

from __future__ import annotations

import math


class ClockEstimator:
    """Estimates the distance between what one device has written and another has read.

    Where a side has no time stamps of its own, its calls are late at times, and never early. So
    the highest position that each side has reached, against a common clock, is where it truly
    is, and the difference of the two is the level: all of the way from one device to the other.
    The first one after a start is kept as what the way takes. PulseAudio sends its clients its
    clocks every 10 ms then, and every 1.5 s later on; what they make of that wanders by 10 ms
    about a distance that doesn't change.

    Of PipeWire's it wanders by more, but its calls come as regularly as its graph runs. So with
    them only the distance between a call and the sound is left to the first stamps; a block that
    the server loses later shows.

    Parameters
    ----------
    sample_rate
        In Hz.
    stamped
        Whether time stamps can be believed for longer than the first second.

    Attributes
    ----------
    measured
        The way in samples: from the first window after a start or, without stamps to believe, from
        the latest. None before.
    """

    def __init__(self, sample_rate: int, *, stamped: bool) -> None:
        self._rate, self._stamped = sample_rate, stamped
        self.measured: int | None = None
        self._heard_later = 0.0
        self.start_over()

    def start_over(self) -> None:
        """Measure anew: a stream has begun, or sound was lost."""
        self._to_measure = True
        self.new_window()

    def new_window(self) -> None:
        """Forget the positions that were reached."""
        self._written = self._heard = self._called = -math.inf

    def wrote(self, position: int, now: float) -> None:
        """Note that sound up to a position came in at a moment of `time.monotonic`."""
        self._written = max(self._written, position - self._rate * now)

    def reads(self, position: int, due: float, now: float) -> None:
        """Note a call that asks, ``now``, for sound from a position on that is heard at ``due``."""
        self._heard = max(self._heard, position - self._rate * due)
        if not self._stamped:
            self._called = max(self._called, position - self._rate * now)

    def level(self) -> float:
        """Return the level of this window in samples; not finite if a side did nothing in it."""
        if self._stamped:
            return self._written - self._heard
        if self._to_measure:
            self._heard_later = self._called - self._heard
        return self._written - self._called + self._heard_later

    def measure(self, level: float) -> None:
        """Take a level for what the way takes, where it is to be believed."""
        if self._to_measure or not self._stamped:
            self._to_measure = False
            self.measured = round(level)
