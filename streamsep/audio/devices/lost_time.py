"""Time that a device loses: how much, and what is said of it."""

from __future__ import annotations

import math
import threading
from collections import deque

from streamsep.events import EventLog


class DeviceTime:
    """Compares the time that has gone by with that of the blocks a device has called for.

    Of a program that gets too little time, or is stopped, an output plays what it has, and silence
    in between that nobody asked for; an input throws away what nobody takes. Then fewer blocks
    have been called for than time has gone by, and all that follows would be late by that. A
    clock's drift is no loss, nor is a larger buffer, which asks for more at once.

    A device that is called on time may have its whole buffer filled at once, and one that is late
    asks for as much more afterwards. So of some calls the earliest tells, for its place, how far
    the time is.

    Parameters
    ----------
    buffered_s
        What a device may ask for, or hand over, at once.

    Attributes
    ----------
    LEAST_S
        Less isn't a loss yet, and may become one: calls come when the machine has time.
    SURE_S
        What is beyond this and all that a device may ask for is lost, whatever follows.
    WINDOW_S
        Of calls of which the earliest counts.
    SETTLE_S
        A stream that has just begun may ask for a little, and then for nothing for a while: its
        time begins when it has settled.
    DRIFT
        By how much a clock may be slow or fast.
    """

    LEAST_S, SURE_S, WINDOW_S, SETTLE_S, DRIFT = 0.03, 0.1, 0.5, 3.0, 3e-4

    def __init__(self, buffered_s: float) -> None:
        self._buffered_s = buffered_s
        self._passed_s = 0.0
        self._zero: float | None = None  # of `time.monotonic`, where all blocks came on time
        self._earliest = math.inf
        self._window_end = self._settled = -math.inf

    def begin(self, now: float) -> None:
        """Have time begin, if it hasn't: a device may never call."""
        if self._zero is None:
            self._zero, self._settled = now, now + self.SETTLE_S

    def passed(self, length_s: float) -> None:
        """Note time for which the device hasn't called: something else has kept it."""
        self._passed_s += length_s

    def behind(self, now: float) -> float:
        """Return how much time has gone by, up to ``now``, that nothing has been called for."""
        return 0.0 if self._zero is None else now - self._zero - self._passed_s

    def called(self, length_s: float, now: float) -> float:
        """Note a call for a block of this length; return what was lost before it, mostly nothing.

        What it returns is to be made up for, and isn't told again. Audio thread only.
        """
        self.begin(now)
        lost_s = 0.0
        if now >= self._settled:
            # Whatever it asks for yet, this much is lost for sure.
            lost_s = self._loss(self.behind(now) - self._buffered_s - self.SURE_S)
        if not lost_s and now >= self._window_end:
            lost_s = self._end_of_window(now)
        if lost_s:
            self._begin_window(now)
        self._passed_s += lost_s
        self._earliest = min(self._earliest, now - self._passed_s)
        self._passed_s += length_s
        return lost_s

    def _begin_window(self, now: float) -> None:
        self._earliest, self._window_end = math.inf, now + self.WINDOW_S

    def _end_of_window(self, now: float) -> float:
        earliest, first = self._earliest, self._window_end == -math.inf
        self._begin_window(now)
        if first or not math.isfinite(earliest):
            return 0.0
        assert self._zero is not None
        late_s = earliest - self._zero
        if now < self._settled:
            self._zero = earliest
            return 0.0
        most = self.DRIFT * self.WINDOW_S
        drift_s = min(max(late_s, -most), most)
        self._zero += drift_s
        return self._loss(late_s - drift_s)

    def _loss(self, seconds: float) -> float:
        return seconds if seconds > self.LEAST_S else 0.0


class LossLog:
    """Tells of lost time: a line for a second of it, or for a bad spell, the rest in one sum.

    Parameters
    ----------
    what
        What has happened then, as ``output 'x' stood still``.
    events
        Where it is noted, with where it began and how long the silence is that stands for it.

    Attributes
    ----------
    TELL_S
        Less doesn't get a line of its own at once: more may follow.
    QUIET_S
        A spell is over when nothing has followed for so long, by the session's time.
    SPELL_S
        One of less in all gets no line, and is told of in sum at the end.
    """

    TELL_S, QUIET_S, SPELL_S = 1.0, 5.0, 0.25

    def __init__(self, what: str, events: EventLog) -> None:
        self._what, self._events = what, events
        self._new: deque[tuple[float, float, float]] = deque()
        self._spell: list[tuple[float, float]] = []
        self._rest: list[tuple[float, float]] = []
        self._telling = threading.Lock()

    @property
    def now_s(self) -> float:
        """The session's time."""
        return self._events.clock()

    def add(self, lost_s: float, left_out_s: float = 0.0, since_s: float | None = None) -> None:
        """Note a loss; any thread, the audio thread too.

        Parameters
        ----------
        lost_s
            All of it.
        left_out_s
            What of it recordings haven't got, as silence, either.
        since_s
            Where it began, by the session's time.  [default: now]
        """
        begin_s = self.now_s if since_s is None else since_s
        self._new.append((begin_s, lost_s, left_out_s))

    def tell(self) -> None:
        """Say what is new; not for the audio thread."""
        with self._telling:
            while self._new:
                since_s, lost_s, left_out_s = self._new.popleft()
                if lost_s < self.TELL_S and not left_out_s:
                    self._spell.append((since_s, lost_s))
                    continue
                left_out = f" (recordings leave out {left_out_s:.1f} s)" if left_out_s else ""
                text = f"{self._what}: silence{left_out}"
                self._events.add(text, since_s=since_s, gap_s=lost_s)
            if self._spell:
                over = self.now_s - sum(self._spell[-1]) > self.QUIET_S
                self._look_at_spell(over=over)

    def _look_at_spell(self, *, over: bool) -> None:
        lost_s = sum(lost_s for _, lost_s in self._spell)
        if lost_s >= (self.SPELL_S if over else self.TELL_S):
            since_s = self._spell[0][0]
            self._events.add(self._in_sum(self._spell), since_s=since_s, gap_s=lost_s)
        elif over:
            self._rest += self._spell
        else:
            return
        self._spell = []

    def end(self) -> None:
        """Say all that there is to be said."""
        self.tell()
        with self._telling:
            self._look_at_spell(over=True)
            if self._rest:
                self._events.add(self._in_sum(self._rest), kind="report")
                self._rest = []

    def _in_sum(self, losses: list[tuple[float, float]]) -> str:
        times = "once" if len(losses) == 1 else f"{len(losses)} times"
        lost_s = sum(lost_s for _, lost_s in losses)
        return f"{self._what} for moments, {times}, {lost_s:.2f} s in all: silence"


class SilentRuns:
    """Finds what an input gave as silence: what it hadn't got, and all that is silent for long.

    Parameters
    ----------
    losses
        Told of each, once it is over.

    Attributes
    ----------
    LONG_S
        What is silent for less, and was there, is music.
    """

    LONG_S = 1.5

    def __init__(self, losses: LossLog) -> None:
        self._losses = losses
        self._since_s = self._length_s = 0.0
        self._lost = self._began = False

    def read(self, length_s: float, *, silent: bool, lost: bool) -> None:
        """Note a block that was read, whether it is silent, and whether that is all there was."""
        if not silent:
            self.end()
            self._began = True
        elif self._began:
            if not self._length_s:
                self._since_s = self._losses.now_s
            self._length_s += length_s
            self._lost |= lost

    def end(self) -> None:
        """Tell of what there has been so far."""
        if self._lost or self._length_s >= self.LONG_S:
            self._losses.add(self._length_s, since_s=self._since_s)
        self._length_s, self._lost = 0.0, False
