"""Score of who sings along: the pitch of each microphone against that of the separated vocals."""

from streamsep.scoring.judge import Judge
from streamsep.scoring.live_score import LiveScore
from streamsep.scoring.song_score import (
    LineAt,
    LineScore,
    ScoreSnapshot,
    SingerScore,
    TracePoint,
)

__all__ = [
    "Judge",
    "LineAt",
    "LineScore",
    "LiveScore",
    "ScoreSnapshot",
    "SingerScore",
    "TracePoint",
]
