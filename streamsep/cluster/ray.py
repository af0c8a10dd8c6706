"""Songs over the workers of a Ray cluster: a bounded number at a time, each exactly once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streamsep.cluster.long_songs import LongSongs
from streamsep.cluster.orders import MOST_DEATHS, Outcome, SeparationTask, SongOrder
from streamsep.cluster.ray_extra import load_for_cluster
from streamsep.cluster.worker import SongWorker
from streamsep.errors import BackendError, StreamsepError, first_line

Ended = Generator[tuple[SongOrder, Outcome], None, None]

LOOK_S = 1.0  # how often the machines are counted
MOST_FAILED_STARTS = 10  # on end


def workers_that_fit(node: Mapping[str, float], gpus_per_worker: float) -> int:
    """Return how many workers a machine with these resources has room for, a core each."""
    cores = node.get("CPU", 0.0)
    if not gpus_per_worker:
        return int(cores)
    # (A tenth fits ten times, whatever binary fractions say.)
    return int(min(cores, node.get("GPU", 0.0) / gpus_per_worker + 1e-9))


@dataclass(slots=True)
class _Running:
    """A worker, and the song that it has; None while it starts."""

    actor: Any
    order: SongOrder | None = None
    # What it is started for, and gets before any other.
    first: SongOrder | None = None
    node: str = ""
    since_s: float = 0.0


class RayWorkers:
    """Workers on a cluster that Ray is connected to: as many as its cores, or its GPUs' shares.

    A worker has one song at a time, so that what ended it is known, and no more songs are under
    way than there are workers. Machines that come get workers, and the songs of those that go are
    done by others. Of a long song each part is such a song, and goes before others.

    Parameters
    ----------
    task
        What all of them do.
    gpus_per_worker
        Share of a GPU for each, e.g. 0.25; 0 for none.
    worker_class
        What does the work.
    """

    def __init__(
        self,
        task: SeparationTask,
        *,
        gpus_per_worker: float = 0.0,
        worker_class: type[SongWorker] = SongWorker,
    ) -> None:
        self._ray = load_for_cluster("ray")
        self._task = self._ray.put(task)
        self._gpus = gpus_per_worker
        options = dict(num_cpus=1, num_gpus=gpus_per_worker, max_restarts=0, max_task_retries=0)
        self._class = self._ray.remote(**options)(worker_class)
        self._running: dict[Any, _Running] = {}
        self._waiting: deque[SongOrder] = deque()
        self._suspects: deque[SongOrder] = deque()
        self._long = LongSongs()
        self._failed_starts = 0
        self._counted_s = 0.0
        self._capacity = 0

    @property
    def count(self) -> int:
        """How many workers there are now."""
        return len(self._running)

    def capacity(self) -> int:
        """Return how many workers the cluster has room for, whatever else it does.

        Raises
        ------
        BackendError
            If there is none.
        """
        if time.monotonic() - self._counted_s < LOOK_S:
            return self._capacity
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        # Node by node: what is left of each is of no use to a worker.
        self._capacity = sum(workers_that_fit(node, self._gpus) for node in nodes)
        self._counted_s = time.monotonic()
        if not self._capacity and not self._running:
            cores, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
            raise BackendError(
                f"the cluster's {len(nodes)} machines have {cores:g} cores and {gpus:g} GPUs",
                expected="one with room for a worker",
                remedy="add machines, or ask for less of a GPU",
                settings=("gpus_per_worker",),
            )
        return self._capacity

    def run(self, orders: Iterable[SongOrder]) -> Ended:
        """Yield what becomes of each song, as it comes; to be closed by whoever stops early.

        Of a long one also what becomes of each share of the work.

        Raises
        ------
        StreamsepError
            If workers can't be started.
        """
        for order in orders:
            self._queue(order).append(order)
        try:
            while self._waiting or self._suspects or self._is_busy():
                self._start_workers()
                refs = list(self._running)
                done, _ = self._ray.wait(refs, num_returns=1, timeout=LOOK_S)
                if len(refs) > 1 and done:
                    done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
                for ref in done:
                    yield from self._ended(ref)
        finally:
            for running in self._running.values():
                self._ray.kill(running.actor)
            self._running.clear()

    def _queue(self, order: SongOrder) -> deque[SongOrder]:
        return self._suspects if order.deaths else self._waiting

    def _is_busy(self) -> bool:
        return any(r.order is not None or r.first is not None for r in self._running.values())

    def _start_workers(self) -> None:
        capacity = self.capacity()
        starting = [r for r in self._running.values() if r.order is None]
        left = len(self._waiting) - sum(r.first is None for r in starting)
        while len(self._running) < capacity and (self._suspects or left > 0):
            first = self._suspects.popleft() if self._suspects else None
            left -= first is None
            actor = self._class.remote(self._task)
            self._running[actor.load.remote()] = _Running(actor, first=first)

    def _ended(self, ref: Any) -> Ended:
        """Take what a worker has to say, and give it its next song."""
        running = self._running.pop(ref)
        try:
            result = self._ray.get(ref)
        except Exception as error:
            if running.order is None:
                self._not_started(running, error)
            else:
                yield from self._died(running, running.order, error)
            return
        if running.order is None:
            self._failed_starts = 0
            running.node = result
        else:
            result = replace(result, node=running.node, deaths=running.order.deaths)
            yield from self._taken(running.order, result)
        self._give_next(running)

    def _taken(self, order: SongOrder, outcome: Outcome) -> Ended:
        """Yield what became of a song, or of a share of one, and see to the rest of it."""
        if order.split is not None and not self._long.knows(order):
            return  # another part of it has failed
        if outcome.is_share:
            yield order, outcome
            for following in reversed(self._long.follow(order, outcome)):
                self._queue(following).appendleft(following)
            return
        if order.split is not None:
            outcome = replace(outcome, deaths=self._long.end(order))
            for queue in (self._waiting, self._suspects):
                others = [other for other in queue if other.song != order.song]
                queue.clear()
                queue.extend(others)
            order = replace(order, split=None, number=0)
        yield order, outcome

    def _give_next(self, running: _Running) -> None:
        order, running.first = running.first, None
        if order is None and self._waiting:
            order = self._waiting.popleft()
        if order is None:
            self._ray.kill(running.actor)
            return
        running.order, running.since_s = order, time.monotonic()
        self._running[running.actor.separate.remote(order)] = running

    def _not_started(self, running: _Running, error: Exception) -> None:
        if running.first is not None:
            self._suspects.appendleft(running.first)
        self._failed_starts += 1
        cause = getattr(error, "cause", None)
        if isinstance(cause, StreamsepError):
            raise cause
        if self._failed_starts >= MOST_FAILED_STARTS:
            raise BackendError(
                f"{self._failed_starts} workers on end couldn't be started "
                f"({type(error).__name__}: {first_line(error)})",
                expected="machines on which streamsep runs",
                remedy="look at Ray's logs, or try it on one of them alone",
            ) from error

    def _died(self, running: _Running, order: SongOrder, error: Exception) -> Ended:
        """Put a song whose worker is gone aside for one of its own, or give it up."""
        self._ray.kill(running.actor)  # of a machine that can't be reached it may live on
        if order.split is not None:
            if not self._long.knows(order):
                return
            self._long.note_death(order)
        order = replace(order, deaths=order.deaths + 1)
        if order.deaths < MOST_DEATHS:
            self._suspects.append(order)
            return
        failure = BackendError(
            f"{order.song} ended {order.deaths} workers ({type(error).__name__})",
            expected="a song that can be separated in the memory of a worker",
            remedy="separate it on one machine alone to see why",
        )
        seconds = time.monotonic() - running.since_s
        yield from self._taken(
            order, Outcome(failure, seconds=seconds, node=running.node, deaths=order.deaths)
        )
