"""Counters of a running session, and the snapshot of them that screens and logs show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamsep.events import Event
from streamsep.realtime.latency import LatencyReport


class SongPosition(NamedTuple):
    """Where a session is in a song: what is heard at its output, in seconds."""

    path: Path
    position_s: float
    duration_s: float | None  # None where nothing tells
    paused: bool


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One moment of a session. Levels in dBFS (peak since the last snapshot), times in ms."""

    seconds: float
    level_in_db: float
    level_out_db: float
    level_mic_db: float  # the loudest's after its effects, before its fader; -inf without one
    faders: Mapping[str, float]  # dB: guide (vocals), beat (the song), mic, master
    key: int | None  # semitones; None where the session can't change it
    bypass: bool  # the delayed original plays in the song's place
    latency: LatencyReport
    measured_latency: int | None  # samples from indata to outdata
    hop_p50_ms: float
    hop_p99_ms: float
    hop_budget_ms: float
    dropouts: int  # blocks that inference missed
    device_glitches: int  # under- and overflows that the audio system told of
    mic_latency: int | None  # samples from the latest voice to outdata; None without a microphone
    mic_glitches: int  # blocks in which microphones lost samples
    bad_samples: int  # NaN and Inf that came in
    provider: str
    model: str
    drift_ppm: float | None = None  # input clock against output clock; None: they are one
    events: tuple[Event, ...] = ()  # the latest, oldest first
    song: SongPosition | None = None  # where its input is files, and one plays
    levels_mics_db: Mapping[str, float] = field(default_factory=dict)  # as level_mic_db, by name


class HopTimes:
    """Durations of the latest runs; written by the inference thread, read by anyone.

    Parameters
    ----------
    capacity
        How many runs to remember.
    """

    def __init__(self, capacity: int = 4_096) -> None:
        self._nanoseconds: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.count = 0

    def add(self, nanoseconds: int) -> None:
        """Note one run."""
        self._nanoseconds[self.count % len(self._nanoseconds)] = nanoseconds
        self.count += 1

    def percentiles_ms(self, *percentiles: float) -> tuple[float, ...]:
        """Return percentiles in milliseconds, NaN before the first run."""
        known = self._nanoseconds[: self.count]
        if not len(known):
            return tuple(float("nan") for _ in percentiles)
        return tuple(float(p) / 1e6 for p in np.percentile(known, percentiles))


class LateSeconds:
    """Tells when blocks have been missed in three seconds in a row.

    Parameters
    ----------
    seconds, dropouts
        The session's time and count from which on it looks.
    """

    def __init__(self, seconds: float = 0.0, dropouts: int = 0) -> None:
        self._second, self._dropouts, self._row = int(seconds), dropouts, 0

    def three_in_a_row(self, seconds: float, dropouts: int) -> bool:
        """Take in the session's time and its count; True once for each such row."""
        second = int(seconds)
        if second == self._second:
            return False
        self._row = self._row + 1 if dropouts > self._dropouts else 0
        self._second, self._dropouts = second, dropouts
        return self._row == 3
