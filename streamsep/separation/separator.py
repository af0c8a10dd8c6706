"""The one object that live, offline, evaluation and tests all run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsep.errors import ModelError
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.engine import SpectralEngine
from streamsep.separation.pace import choose_pace, measure_run
from streamsep.separation.plugins import CheckedSeparator, load_plugin
from streamsep.separation.sliding import OverlappedSeparator, SlidingSeparator
from streamsep.separation.stateful import PipelinedSeparator, StatefulSeparator
from streamsep.spec import SeparatorSpec

Float32 = NDArray[np.float32]

# Offline: few enough that what is passed between layers stays in a core's cache.
OFFLINE_RUNS = 32


class Separator(Protocol):
    """Turns blocks of a mixture into blocks of stems that sum to the delayed mixture.

    Nothing of what the properties say changes. Silence gives silence.
    """

    @property
    def spec(self) -> SeparatorSpec:
        """What it is; for a model file its whole ModelSpec."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of what `process` gives, two or more; the last one is what the others leave."""

    @property
    def block_size(self) -> int:
        """Samples per call, N."""

    @property
    def delay(self) -> int:
        """Samples by which the output of a call trails its input."""

    @property
    def provider(self) -> str:
        """Where it runs, e.g. ``CPU`` or ``CUDA``."""

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) float32 into ``out`` (S, C, N) float32, which is overwritten."""

    def reset(self) -> None:
        """Start anew, as if nothing had been heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatorOptions:
    """What a plugin is told when a separator is asked of it.

    Attributes
    ----------
    device
        ``"auto"``, ``"cuda"`` (to be refused with a BackendError where it can't be had) or
        ``"cpu"``.
    offline
        Nobody waits for the sound: long blocks and look-ahead cost nothing.
    """

    device: str = "auto"
    offline: bool = False


class SeparatorFactory(Protocol):
    """What an entry point of the group ``streamsep.separators`` names."""

    def __call__(self, options: SeparatorOptions) -> Separator:
        """Return a separator of its own for whoever asks."""


def gains_for(stem: str, stems: tuple[str, ...]) -> dict[str, float]:
    """Return the gains that make ``stem`` out of a separator's ``stems``.

    The beat is everything but the vocals, whatever else a model tells apart.

    Raises
    ------
    ModelError
        If the model can't give it.
    """
    if stem in stems:
        return {stem: 1.0}
    if stem == "beat" and "vocals" in stems:
        return {name: 1.0 for name in stems if name != "vocals"}
    raise ModelError(
        f"this model gives {', '.join(stems)} and no {stem}",
        expected=f"a model that tells {stem} apart",
        remedy="choose another with --model",
    )


def load_separator(
    model: Path | EntryPoint,
    *,
    device: str = "auto",
    stride_blocks: int | None = None,
    offline: bool = False,
) -> SpectralEngine | CheckedSeparator:
    """Load a model file into the engine that its spec asks for, or a separator from a plugin.

    Parameters
    ----------
    model
        ONNX file with a ModelSpec in its metadata, or a plugin's entry point.
    device
        ``"auto"``, ``"cuda"`` or ``"cpu"``.
    stride_blocks
        Sliding models only: model strides per run; more is cheaper and later.  [default: 1;
        for a ``complex`` model as many as this machine's measured speed needs]
    offline
        Nobody waits for the sound: a ``complex`` model may look at it from both sides, and a
        graph of any frames is given many at once.

    Raises
    ------
    ModelError
        If the file is missing, not ONNX, or breaks its contract; or if the plugin does.
    BackendError
        If ``device="cuda"`` can't be had, or the machine is too slow for a ``complex`` model.
    """
    if isinstance(model, EntryPoint):
        return load_plugin(model, SeparatorOptions(device=device, offline=offline))
    backend = OnnxBackend(model, device=device, runs_at_once=OFFLINE_RUNS if offline else 1)
    if offline and backend.spec.output == "complex":
        return OverlappedSeparator(backend)
    if backend.spec.output == "complex" and stride_blocks is None:
        return SlidingSeparator(backend, pace=choose_pace(backend.spec, measure_run(backend)))
    if backend.spec.mode == "sliding":
        return SlidingSeparator(backend, stride_blocks=stride_blocks or 1)
    return PipelinedSeparator(backend) if offline else StatefulSeparator(backend)
