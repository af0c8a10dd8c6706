"""The one object that live, offline, evaluation and tests all run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsep.errors import ModelError
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.pace import choose_pace, measure_run
from streamsep.separation.sliding import OverlappedSeparator, SlidingSeparator
from streamsep.separation.stateful import StatefulSeparator
from streamsep.spec import ModelSpec

Float32 = NDArray[np.float32]


class Separator(Protocol):
    """Turns blocks of a mixture into blocks of stems that sum to the delayed mixture."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of what `process` gives: the model's stems, then the residual."""

    @property
    def block_size(self) -> int:
        """Samples per call, N."""

    @property
    def delay(self) -> int:
        """Samples by which the output of a call trails its input."""

    @property
    def provider(self) -> str:
        """Where the model runs, e.g. ``CPU`` or ``CUDA``."""

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (C, N) float32 into ``out`` (S, C, N) float32, which is overwritten."""

    def flush(self, out: Float32) -> int:
        """Write the last ``delay`` samples to ``out`` (S, C, at least delay); return how many."""

    def reset(self) -> None:
        """Start anew, as if nothing had been heard."""


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
    path: Path, *, device: str = "auto", stride_blocks: int | None = None, offline: bool = False
) -> StatefulSeparator | SlidingSeparator | OverlappedSeparator:
    """Load a model file and return the engine that its spec asks for.

    Parameters
    ----------
    path
        ONNX file with a ModelSpec in its metadata.
    device
        ``"auto"``, ``"cuda"`` or ``"cpu"``.
    stride_blocks
        Sliding models only: model strides per run; more is cheaper and later.  [default: 1;
        for a ``complex`` model as many as this machine's measured speed needs]
    offline
        Nobody waits for the sound: a ``complex`` model may look at it from both sides.

    Raises
    ------
    ModelError
        If the file is missing, not ONNX, or breaks its contract.
    BackendError
        If ``device="cuda"`` can't be had, or the machine is too slow for a ``complex`` model.
    """
    backend = OnnxBackend(path, device=device)
    if offline and backend.spec.output == "complex":
        return OverlappedSeparator(backend)
    if backend.spec.output == "complex" and stride_blocks is None:
        return SlidingSeparator(backend, pace=choose_pace(backend.spec, measure_run(backend)))
    if backend.spec.mode == "sliding":
        return SlidingSeparator(backend, stride_blocks=stride_blocks or 1)
    return StatefulSeparator(backend)
