"""Engines for graphs that carry their state: every frame is computed once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamsep.separation.backend import Backend
from streamsep.separation.graph_apart import GraphApart
from streamsep.separation.spectral_engine import SpectralEngine


class StatefulSeparator(SpectralEngine):
    """Feeds ``frames_per_run`` new frames per run; the backend keeps the states."""

    _kept: ClassVar[tuple[str, ...]] = (*SpectralEngine._kept, "_stream")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, backend.spec.frames_per_run)
        self._stream = 0

    def _run(self) -> None:
        np.copyto(self._backend.features, self._features)
        self._backend.run(self._stream)
        self._stream = (self._stream + 1) % self.spec.interleave
        self._estimate[...] = self._backend.estimate

    def _forget(self) -> None:
        super()._forget()
        self._stream = 0


class PipelinedSeparator(GraphApart):
    """The same one run later: the graph runs on a thread of its own beside the transforms.

    For files, where nobody waits for the sound and a second core may be free.
    """

    _kept: ClassVar[tuple[str, ...]] = (*GraphApart._kept, "_made")

    def __init__(self, backend: Backend) -> None:
        spec = backend.spec
        stride = spec.interleave * spec.frames_per_run
        super().__init__(backend, stride, lag_frames=spec.lag_frames + stride)
        self._given, self._made = backend.features, backend.estimate
        if spec.interleave > 1:
            self._given = np.zeros(self._features.shape, np.float32)
            self._made = np.zeros_like(self._estimate)

    def _run(self) -> None:
        self._wait()
        np.copyto(self._estimate, self._made)
        np.copyto(self._given, self._features)
        self._begin(self._run_streams if self.spec.interleave > 1 else self._backend.run)

    def _run_streams(self) -> None:
        backend, count = self._backend, self.spec.interleave
        for stream in range(count):
            np.copyto(backend.features, self._given[..., stream::count])
            backend.run(stream)
            np.copyto(self._made[..., stream::count], backend.estimate)

    def _forget(self) -> None:
        super()._forget()
        self._made.fill(0.0)
