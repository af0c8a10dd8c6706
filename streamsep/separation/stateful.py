"""Engines for graphs that carry their state: every frame is computed once."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import numpy as np

from streamsep.dsp.resumable import State
from streamsep.separation.backend import Backend
from streamsep.separation.spectral_engine import SpectralEngine


class StatefulSeparator(SpectralEngine):
    """Feeds ``frames_per_run`` new frames per run; the backend keeps the states."""

    _kept: ClassVar[tuple[str, ...]] = (*SpectralEngine._kept, "_stream")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, backend.spec.frames_per_run)
        self._features = backend.features
        self._stream = 0

    def _run(self) -> None:
        self._backend.run(self._stream)
        self._stream = (self._stream + 1) % self.spec.interleave
        self._estimate[...] = self._backend.estimate

    def _forget(self) -> None:
        super()._forget()
        self._stream = 0


class PipelinedSeparator(SpectralEngine):
    """The same one run later: the graph runs on a thread of its own beside the transforms.

    For files, where nobody waits for the sound and a second core may be free.
    """

    _kept: ClassVar[tuple[str, ...]] = (*SpectralEngine._kept, "_made")

    def __init__(self, backend: Backend) -> None:
        spec = backend.spec
        stride = spec.interleave * spec.frames_per_run
        super().__init__(backend, stride, lag_frames=spec.lag_frames + stride)
        self._given, self._made = backend.features, backend.estimate
        if spec.interleave > 1:
            self._given = np.zeros_like(self._features)
            self._made = np.zeros_like(self._estimate)
        self._thread = ThreadPoolExecutor(1, "streamsep-graph")
        self._under_way: Future[None] | None = None

    def _run(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
        np.copyto(self._estimate, self._made)
        np.copyto(self._given, self._features)
        deal = self._run_streams if self.spec.interleave > 1 else self._backend.run
        self._under_way = self._thread.submit(deal)

    def _run_streams(self) -> None:
        backend, count = self._backend, self.spec.interleave
        for stream in range(count):
            np.copyto(backend.features, self._given[..., stream::count])
            backend.run(stream)
            np.copyto(self._made[..., stream::count], backend.estimate)

    def state(self) -> State:
        """See `Resumable`.

        Raises
        ------
        BackendError
            If the run that is under way fails.
        """
        if self._under_way is not None:
            self._under_way.result()
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
        self._made.fill(0.0)
