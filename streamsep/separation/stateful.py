"""Engines for graphs that carry their state: every frame is computed once."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from streamsep.separation.backend import Backend
from streamsep.separation.engine import SpectralEngine


class StatefulSeparator(SpectralEngine):
    """Feeds ``frames_per_run`` new frames per run; the backend keeps the states."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, backend.spec.frames_per_run)
        self._features = backend.features

    def _run(self) -> None:
        self._backend.run()
        self._estimate[...] = self._backend.estimate


class PipelinedSeparator(SpectralEngine):
    """The same one run later: the graph runs on a thread of its own beside the transforms.

    For files, where nobody waits for the sound and a second core may be free.
    """

    def __init__(self, backend: Backend) -> None:
        spec = backend.spec
        super().__init__(
            backend, spec.frames_per_run, lag_frames=spec.lag_frames + spec.frames_per_run
        )
        self._thread = ThreadPoolExecutor(1, "streamsep-graph")
        self._under_way: Future[None] | None = None

    def _run(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
        np.copyto(self._estimate, self._backend.estimate)
        np.copyto(self._backend.features, self._features)
        self._under_way = self._thread.submit(self._backend.run)

    def _forget(self) -> None:
        if self._under_way is not None:
            self._under_way.exception()  # waits; what it would raise was raised, or concerns nobody
            self._under_way = None
        super()._forget()
