"""How fast a run goes: of each machine and in all, and as text for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from streamsep.cluster.orders import Outcome


@dataclass(slots=True)
class NodeTotals:
    """What the workers of a machine have done."""

    songs: int = 0
    failed: int = 0
    sound_s: float = 0.0
    busy_s: float = 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of sound for each second that a worker was busy."""
        return self.sound_s / self.busy_s if self.busy_s else 0.0


class Throughput:
    """Totals of a run, by machine.

    Parameters
    ----------
    songs
        How many there are to do.
    clock
        Seconds that only grow.
    """

    def __init__(self, songs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._songs, self._clock, self._started = songs, clock, clock()
        self.nodes: dict[str, NodeTotals] = {}

    def add(self, outcome: Outcome) -> None:
        """Count a song, or a share of one."""
        node = self.nodes.setdefault(outcome.node, NodeTotals())
        node.songs += outcome.error is None and not outcome.is_share
        node.failed += outcome.error is not None
        node.sound_s += outcome.sound_s
        node.busy_s += outcome.seconds

    @property
    def done(self) -> int:
        """Songs that have come to an end, either way."""
        return sum(node.songs + node.failed for node in self.nodes.values())

    @property
    def times_real_time(self) -> float:
        """Seconds of sound for each second since the start, all machines together."""
        passed = self._clock() - self._started
        return sum(node.sound_s for node in self.nodes.values()) / passed if passed else 0.0

    @property
    def lines(self) -> list[str]:
        """A line for each machine."""
        return [
            f"{name or 'no machine'}: {node.songs} songs, {node.failed} failed, "
            f"{node.sound_s:.0f} s of sound in {node.busy_s:.0f} s of work, "
            f"{node.times_real_time:.1f} times real time a worker"
            for name, node in sorted(self.nodes.items())
        ]

    def prometheus(self, workers: int) -> str:
        """Return the totals in Prometheus' text format."""
        text = _metric("songs", "gauge", "Songs that this run has to do", [("", self._songs)])
        text += _metric("workers", "gauge", "Workers there are now", [("", workers)])
        columns: dict[str, tuple[str, Callable[[NodeTotals], float]]] = {
            "songs_done_total": ("Songs separated", lambda node: node.songs),
            "songs_failed_total": ("Songs that couldn't be separated", lambda node: node.failed),
            "sound_seconds_total": ("Sound separated", lambda node: node.sound_s),
            "busy_seconds_total": ("Time that workers were busy", lambda node: node.busy_s),
        }
        for name, (what, value) in columns.items():
            values = [
                (f'{{node="{_label(node)}"}}', value(totals))
                for node, totals in sorted(self.nodes.items())
            ]
            text += _metric(name, "counter", what, values)
        return text


def _metric(name: str, kind: str, what: str, values: list[tuple[str, float]]) -> str:
    name = f"streamsep_{name}"
    lines = [f"# HELP {name} {what}.", f"# TYPE {name} {kind}"]
    lines += [f"{name}{label} {value:.10g}" for label, value in values]
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
