"""From the sound of vocals and singers to a score: pitches, put side by side, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamsep.scoring.pitch_tracker import STEP_S, PitchTracker
from streamsep.scoring.song_score import LATITUDE, LineAt, ScoreSnapshot, SongScore
from streamsep.types import Float32


class Judge:
    """Scores singers against vocals, chunk by chunk, whatever the chunks.

    Parameters
    ----------
    names
        Of the singers.
    sample_rate
        In Hz.
    delays
        Asked for each singer's delay in samples against the vocals.
    seconds_of
        From a count of samples to the seconds that a score tells.
    line_at
        Asked for the line of a moment in such seconds; None without lyrics.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        sample_rate: int,
        delays: Sequence[Callable[[], int]],
        seconds_of: Callable[[int], float],
        line_at: Callable[[float], LineAt | None] = lambda seconds: None,
    ) -> None:
        self._names, self._line_at = tuple(names), line_at
        self._rate, self._delays, self._seconds_of = sample_rate, tuple(delays), seconds_of
        self._tracker = PitchTracker(sample_rate, 1 + len(names))
        # Pitches of the latest steps, (1 + singers, steps); which step the first of them is, and
        # which is to be judged next.
        self._pitches, self._levels_db = np.zeros((1 + len(names), 0)), np.zeros(0)
        self._first, self._next = 0, 1
        self._score = SongScore(self._names, line_at)

    def process(self, sound: Float32) -> None:
        """Take (1 + singers, N): the vocals, then who sings."""
        pitches, levels_db = self._tracker.process(sound)
        self._pitches = np.concatenate([self._pitches, pitches], axis=-1)
        self._levels_db = np.concatenate([self._levels_db, levels_db[0]])
        late = [round(delay() / self._rate / STEP_S) for delay in self._delays]
        end = self._first + self._pitches.shape[-1]
        while self._next + max([0, *late]) + LATITUDE < end:
            self._judge(self._next, late)
            self._next += 1
        self._forget_before(self._next - 1 - LATITUDE)

    def _judge(self, step: int, late: Sequence[int]) -> None:
        sung = np.stack(
            [
                self._between(index, step + by - LATITUDE, step + by + LATITUDE + 1)
                for index, by in enumerate(late, 1)
            ]
        )
        seconds = self._seconds_of(round(step * STEP_S * self._rate))
        level_db = float(self._levels_db[step - self._first])
        self._score.add(seconds, self._between(0, step - 1, step + 2), level_db, sung)

    def _between(self, row: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return the pitches of steps; NaN for those before the first."""
        known = self._pitches[row, max(start - self._first, 0) : stop - self._first]
        return np.concatenate([np.full(stop - start - len(known), np.nan), known])

    def _forget_before(self, step: int) -> None:
        old = max(step - self._first, 0)
        self._pitches, self._levels_db = self._pitches[:, old:], self._levels_db[old:]
        self._first += old

    def end_line(self) -> None:
        """Have the line under way end here."""
        self._score.end_line()

    def snapshot(self) -> ScoreSnapshot:
        """Return how the song's score stands."""
        return self._score.snapshot()

    def next_song(self) -> ScoreSnapshot:
        """Begin with another song; return how the last one ended."""
        self._score.end_line()
        ended, self._score = self._score, SongScore(self._names, self._line_at)
        self._next = self._first + self._pitches.shape[-1] + 1
        return ended.snapshot()
