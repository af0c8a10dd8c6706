"""Totals of a run as metrics of Ray, which its dashboard and its Prometheus endpoints show."""

from __future__ import annotations

from streamsep.cluster.orders import Outcome
from streamsep.cluster.ray_extra import load_for_cluster


class RayMetrics:
    """Counters by machine; to be made once Ray is connected."""

    def __init__(self) -> None:
        counter = load_for_cluster("ray.util.metrics").Counter
        self._songs = counter(
            "streamsep_songs", "Songs that came to an end.", tag_keys=("machine", "state")
        )
        self._sound = counter(
            "streamsep_sound_seconds", "Sound that was separated.", tag_keys=("machine",)
        )
        self._busy = counter(
            "streamsep_busy_seconds", "Time that workers were busy.", tag_keys=("machine",)
        )

    def add(self, outcome: Outcome) -> None:
        """Count a song, or a share of one."""
        machine = {"machine": outcome.node or "none"}
        state = "done" if outcome.error is None else "failed"
        if not outcome.is_share:
            self._songs.inc(1.0, machine | {"state": state})
        for counter, seconds in ((self._sound, outcome.sound_s), (self._busy, outcome.seconds)):
            if seconds > 0.0:  # nothing else can be counted
                counter.inc(seconds, machine)
