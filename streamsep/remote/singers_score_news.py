"""The singers' score as it is told to the screen."""

from __future__ import annotations

from typing import Any

from streamsep.remote.service import Message
from streamsep.scoring import ScoreSnapshot

TRACE_S = 4.0  # of the latest pitch


def told_singers(snapshot: ScoreSnapshot) -> list[dict[str, Any]]:
    """Return each singer's points of 100, of the song and of the line, None before any."""
    return [
        {
            "name": singer.name,
            "score": _rounded(singer.percent),
            "line": _rounded(singer.line_percent),
        }
        for singer in snapshot.singers
    ]


def told_score(snapshot: ScoreSnapshot, position_s: float) -> Message:
    """Return points and the latest pitch, by its place in the song.

    Parameters
    ----------
    snapshot
        Its trace is in the session's time, whose latest moment is heard now.
    position_s
        Where in the song that is.
    """
    latest = snapshot.trace[-1].seconds if snapshot.trace else 0.0
    trace = [
        [
            round(position_s + point.seconds - latest, 2),
            _rounded(point.reference, 1),
            [_rounded(note, 1) for note in point.sung],
        ]
        for point in snapshot.trace[::2]
        if point.seconds > latest - TRACE_S
    ]
    return {"singers": told_singers(snapshot), "trace": trace}


def _rounded(value: float | None, digits: int = 0) -> float | None:
    return None if value is None else round(value, digits)
