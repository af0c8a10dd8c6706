"""What all engines of model files share, whatever their graphs take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.resumable import Resumable
from streamsep.separation.backend import Backend
from streamsep.separation.schedule import RunSchedule
from streamsep.spec import ModelSpec
from streamsep.types import Float32


class ModelEngine(Resumable, ABC):
    """A backend, and the mixture that waits for its estimates; most of a `Separator`.

    Parameters
    ----------
    backend
        Holds the graph and its spec.
    block_size, delay
        See `Separator`.

    Attributes
    ----------
    slack
        See `Separator`; a graph of few frames is done within its block.
    schedule
        When its graph is run, where the machine's speed decides that.
    memory
        How many samples before a block may have a say in what it gives; None where all have, and
        `state` is what goes on from them.
    """

    _kept: ClassVar[tuple[str, ...]] = ("_backend", "_mixture")
    memory: int | None = None
    slack: int = 0
    schedule: RunSchedule | None = None

    def __init__(self, backend: Backend, *, block_size: int, delay: int) -> None:
        self.spec: ModelSpec = backend.spec
        self._backend = backend
        self.block_size, self.delay = block_size, delay
        self._mixture = DelayLine(self.spec.channels, delay, block_size)

    @property
    def stems(self) -> tuple[str, ...]:
        """The model's stems, then the residual."""
        return (*self.spec.stems, self.spec.residual)

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._backend.provider

    @abstractmethod
    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`."""

    @abstractmethod
    def reset(self) -> None:
        """Start anew."""

    def _check_shapes(self, block: Float32, out: Float32) -> None:
        """Raise ValueError unless they are (C, block_size) and (S, C, block_size)."""
        expected = (self.spec.channels, self.block_size)
        if block.shape != expected or out.shape != (len(self.stems), *expected):
            raise ValueError(f"got {block.shape} -> {out.shape}, expected {expected} per stem")
