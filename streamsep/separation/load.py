"""From a model's file or a plugin's entry point to the engine that runs it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

from streamsep.separation.backend import OnnxBackend
from streamsep.separation.overlapped import OverlappedSeparator
from streamsep.separation.plugins import CheckedSeparator, load_plugin_separator
from streamsep.separation.schedule import choose_schedule, measure_run
from streamsep.separation.separator import SeparatorFactory, SeparatorOptions
from streamsep.separation.sliding import SlidingSeparator
from streamsep.separation.spectral_engine import SpectralEngine
from streamsep.separation.stateful import PipelinedSeparator, StatefulSeparator

# Offline: few enough that what is passed between layers stays in a core's cache.
OFFLINE_RUNS = 32


def load_separator(
    model: Path | EntryPoint | SeparatorFactory,
    *,
    device: str = "auto",
    stride_blocks: int | None = None,
    offline: bool = False,
) -> SpectralEngine | CheckedSeparator:
    """Load a model file into the engine that its spec asks for, or a separator from a plugin.

    Parameters
    ----------
    model
        ONNX file with a ModelSpec in its metadata, or a plugin: its entry point, or the factory
        itself.
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
    if not isinstance(model, Path):
        return load_plugin_separator(model, SeparatorOptions(device=device, offline=offline))
    backend = OnnxBackend(model, device=device, runs_at_once=OFFLINE_RUNS if offline else 1)
    if offline and backend.spec.output == "complex":
        return OverlappedSeparator(backend)
    if backend.spec.output == "complex" and stride_blocks is None:
        return SlidingSeparator(
            backend, schedule=choose_schedule(backend.spec, measure_run(backend))
        )
    if backend.spec.mode == "sliding":
        return SlidingSeparator(backend, stride_blocks=stride_blocks or 1)
    return PipelinedSeparator(backend) if offline else StatefulSeparator(backend)
