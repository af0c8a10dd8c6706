"""A graph that runs on a thread of its own, while its engine makes sound of the run before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from streamsep.dsp.resumable import State
from streamsep.separation.spectral_engine import SpectralEngine


class GraphApart(SpectralEngine):
    """What engines share whose `_run` begins a run and takes over the estimate of the one before.

    A run under way is waited for wherever its arrays are looked at.
    """

    _thread: ThreadPoolExecutor | None = None
    _under_way: Future[None] | None = None

    def _begin(self, run: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "streamsep-graph")
        self._under_way = self._thread.submit(run)

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()

    def state(self) -> State:
        """See `Resumable`.

        Raises
        ------
        BackendError
            If the run that is under way fails.
        """
        self._wait()
        return super().state()

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._end_run()
        super().restore(state)

    def _end_run(self) -> None:
        if self._under_way is not None:
            self._under_way.exception()  # waits; what it would raise was raised, or concerns nobody
            self._under_way = None

    def _forget(self) -> None:
        self._end_run()
        super()._forget()
