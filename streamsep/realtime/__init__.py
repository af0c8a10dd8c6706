"""One separator running against the clock of an audio device."""

from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.loaded_model import LoadedModel
from streamsep.realtime.session import Session
from streamsep.realtime.stats import SessionStats

__all__ = ["LatencyReport", "LoadedModel", "Session", "SessionStats"]
