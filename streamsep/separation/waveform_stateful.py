"""The engine for graphs that take new samples alone, and carry their states on."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.sanitize import Sanitizer
from streamsep.separation.backend import Backend
from streamsep.separation.schedule import RunSchedule
from streamsep.spec import ModelSpec
from streamsep.types import Float32


class StatefulWaveformSeparator:
    """Gives a hop of sound to a graph and takes the stems of an earlier one.

    Parameters
    ----------
    backend
        Holds the graph, and keeps its states.

    Attributes
    ----------
    slack
        See `Separator`; a graph of so few samples is done within its block.
    schedule
        None: it is run every hop.
    """

    slack: int = 0
    schedule: RunSchedule | None = None

    def __init__(self, backend: Backend) -> None:
        spec = backend.spec
        self.spec: ModelSpec = spec
        self._backend = backend
        self.block_size: int = spec.hop_length
        self.delay: int = spec.lag_frames * spec.hop_length
        self._mixture = DelayLine(spec.channels, self.delay, self.block_size)
        self._sanitizer = Sanitizer(spec.estimate_shape)

    @property
    def stems(self) -> tuple[str, ...]:
        """The model's stems, then the residual."""
        return (*self.spec.stems, self.spec.residual)

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._backend.provider

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`.

        Raises
        ------
        ValueError
            If a shape isn't (C, block_size) and (S, C, block_size).
        """
        expected = (self.spec.channels, self.block_size)
        if block.shape != expected or out.shape != (len(self.stems), *expected):
            raise ValueError(f"got {block.shape} -> {out.shape}, expected {expected} per stem")
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
