"""Engine for graphs that carry their state: every frame is computed once."""

from __future__ import annotations

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
