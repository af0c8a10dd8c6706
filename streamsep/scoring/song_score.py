"""Points for what is sung, step by step; sums of them by line and song."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsep.scoring.pitch_tracker import CENTRE_S, STEP_S

# In semitones, octaves apart being none: all points to here, none from there on.
CLOSE, FAR = 0.4, 1.2
# Nobody sings on time to the step, and each mostly as late as just before: so many steps later or
# sooner are tried, and that counts by which it was best lately.
LATITUDE, LATELY = 5, 0.98  # the second is what a step leaves of those before it
STEADY = 1.0  # semitones between steps of a reference that counts
# What is so much quieter than the vocals have been lately, falling so fast, is what the model
# left of other instruments.
RANGE_DB, FORGOTTEN_DB = 15.0, 0.02
PAUSE_STEPS = 30  # 0.6 s without vocals end a line, where no lyrics say
TRACE_STEPS = 500  # 10 s
LINES_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class TracePoint:
    """One step of 20 ms: MIDI note numbers of the vocals and of each singer, None for no voice.

    ``seconds`` is when the vocals were played, as `SessionStats.seconds` counts.
    """

    seconds: float
    reference: float | None
    sung: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class LineScore:
    """A line that is over: percent for each singer, None for whom it isn't.

    ``text`` is empty where there are no lyrics, and a line goes from pause to pause.
    """

    start_s: float
    end_s: float
    text: str
    percents: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SingerScore:
    """What one singer has of the song, and of the line under way, in percent; None so far."""

    name: str
    percent: float | None
    line_percent: float | None
    sung_s: float  # of vocals that counted for this singer


@dataclass(frozen=True, slots=True)
class ScoreSnapshot:
    """One moment of a score: all singers, lines that are over, and the latest steps."""

    singers: tuple[SingerScore, ...]
    lines: tuple[LineScore, ...]
    trace: tuple[TracePoint, ...]


@dataclass(frozen=True, slots=True)
class LineAt:
    """The line that is sung at a moment, told apart by ``number``; ``singer`` from 1, 0 for all."""

    number: int
    text: str
    singer: int = 0


def points(reference: float, sung: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0 to 1 for each pitch that is sung, as MIDI note numbers, NaN for no voice."""
    off = np.nan_to_num(semitones_apart(sung, reference), nan=FAR)
    given: NDArray[np.float64] = np.clip((FAR - off) / (FAR - CLOSE), 0.0, 1.0)
    return given


def semitones_apart(
    one: NDArray[np.float64] | float, other: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return the distance of pitches, whatever their octaves: 0 to 6."""
    apart: NDArray[np.float64] = np.abs(np.mod(np.subtract(one, other) + 6.0, 12.0) - 6.0)
    return apart


class SongScore:
    """Sums up the points of each singer, in the order of the steps.

    Parameters
    ----------
    names
        Of the singers.
    line_at
        Asked for the line of a moment in seconds; None where there are no lyrics.
    """

    def __init__(
        self,
        names: Sequence[str],
        line_at: Callable[[float], LineAt | None] = lambda seconds: None,
    ) -> None:
        self._names, self._line_at = tuple(names), line_at
        self._song, self._line = np.zeros((2, len(names), 2))  # points and steps
        self._lately = np.zeros((len(names), 2 * LATITUDE + 1))
        self._lines: deque[LineScore] = deque(maxlen=LINES_KEPT)
        self._trace: deque[TracePoint] = deque(maxlen=TRACE_STEPS)
        self._now: LineAt | None = None
        self._line_start_s = self._line_end_s = 0.0
        self._loudest_db, self._pause = -np.inf, 0

    def add(
        self,
        seconds: float,
        reference: NDArray[np.float64],
        level_db: float,
        sung: NDArray[np.float64],
    ) -> None:
        """Take a step.

        Parameters
        ----------
        seconds
            When its sound began to be played.
        reference
            (3,): the vocals' pitch a step before, now, and after.
        level_db
            Of the vocals now.
        sung
            (singers, 2 LATITUDE + 1): pitches around the same moment.
        """
        seconds += CENTRE_S
        counts = self._counts(reference, level_db)
        self._follow_line(seconds, counts)
        self._trace.append(
            TracePoint(
                seconds,
                float(reference[1]) if counts else None,
                tuple(None if np.isnan(p) else float(p) for p in sung[:, LATITUDE]),
            )
        )
        if not counts:
            return
        if not self._line[:, 1].any():
            self._line_start_s = seconds
        self._line_end_s = seconds + STEP_S
        for index, around in enumerate(sung):
            if self._now is None or self._now.singer in (0, index + 1):
                by_lag = points(float(reference[1]), around)
                self._lately[index] = LATELY * self._lately[index] + by_lag
                got = by_lag[np.argmax(self._lately[index])]
                for sums in (self._song[index], self._line[index]):
                    sums += got, 1.0

    def _counts(self, reference: NDArray[np.float64], level_db: float) -> bool:
        """Say whether the vocals have a pitch here, beyond doubt."""
        self._loudest_db = max(self._loudest_db - FORGOTTEN_DB, level_db)
        if np.isnan(reference).any() or level_db < self._loudest_db - RANGE_DB:
            return False
        return bool(np.all(semitones_apart(reference[[0, 2]], reference[1]) < STEADY))

    def _follow_line(self, seconds: float, counts: bool) -> None:
        """End a line where the lyrics say, or after a pause."""
        line = self._line_at(seconds)
        self._pause = 0 if counts else self._pause + 1
        if line is None:
            ended = self._pause == PAUSE_STEPS
        else:
            ended = self._now is None or line.number != self._now.number
        if ended:
            self.end_line()
        self._now = line

    def end_line(self) -> None:
        """Keep the line under way, if any of it counted."""
        if self._line[:, 1].any():
            text = self._now.text if self._now else ""
            percents = tuple(_percent(sums) for sums in self._line)
            self._lines.append(LineScore(self._line_start_s, self._line_end_s, text, percents))
            self._line[:] = 0.0

    def snapshot(self) -> ScoreSnapshot:
        """Return how it stands."""
        singers = tuple(
            SingerScore(name, _percent(song), _percent(line), float(song[1]) * STEP_S)
            for name, song, line in zip(self._names, self._song, self._line, strict=True)
        )
        return ScoreSnapshot(singers, tuple(self._lines), tuple(self._trace))


def _percent(sums: NDArray[np.float64]) -> float | None:
    got, steps = sums
    return 100.0 * float(got) / float(steps) if steps else None
