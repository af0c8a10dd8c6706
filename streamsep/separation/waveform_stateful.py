"""The engine for graphs that take new samples alone, and carry their states on."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.sanitize import Sanitizer
from streamsep.separation.backend import Backend
from streamsep.separation.model_engine import ModelEngine
from streamsep.types import Float32


class StatefulWaveformSeparator(ModelEngine):
    """Gives a hop of sound to a graph and takes the stems of an earlier one.

    Parameters
    ----------
    backend
        Holds the graph, and keeps its states.
    """

    def __init__(self, backend: Backend) -> None:
        spec = backend.spec
        hop = spec.hop_length
        super().__init__(backend, block_size=hop, delay=spec.lag_frames * hop)
        self._sanitizer = Sanitizer(spec.estimate_shape)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`.

        Raises
        ------
        ValueError
            If a shape isn't (C, block_size) and (S, C, block_size).
        """
        self._check_shapes(block, out)
        np.copyto(self._backend.features, block)
        self._backend.run()
        mended = self._sanitizer.clean(self._backend.estimate)
        np.copyto(out[:-1], self._backend.estimate)
        if mended:
            self._backend.reset()  # whatever made it would live on in the states
        residual = out[-1]
        self._mixture.process(block, residual)
        # Silence for silence, whatever the network believes.
        if residual.min() == residual.max() == 0.0:
            out[:-1] = 0.0
        for stem in out[:-1]:
            np.subtract(residual, stem, out=residual)

    def reset(self) -> None:
        """Start anew."""
        self._backend.reset()
        self._mixture.reset()
