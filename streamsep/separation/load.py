"""From a model's file or a plugin's entry point to the engine that runs it."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

from streamsep.errors import ArgumentError
from streamsep.onnx_file import read_metadata
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.combination import Combination
from streamsep.separation.ensemble import EnsembleSeparator
from streamsep.separation.overlapped import OverlappedSeparator
from streamsep.separation.plugins import CheckedSeparator, load_plugin_separator
from streamsep.separation.schedule import (
    choose_prior_stride,
    choose_schedule,
    measure_run,
)
from streamsep.separation.separator import Separator, SeparatorFactory, SeparatorOptions
from streamsep.separation.sliding import SlidingSeparator
from streamsep.separation.spectral_engine import SpectralEngine
from streamsep.separation.stateful import PipelinedSeparator, StatefulSeparator
from streamsep.separation.two_pass import TwoPassSeparator
from streamsep.separation.two_speed import MaskPrior, TwoSpeedSeparator
from streamsep.separation.waveform_engine import WaveformSeparator
from streamsep.separation.waveform_stateful import StatefulWaveformSeparator
from streamsep.spec import ModelSpec

# Offline: few enough that what is passed between layers stays in a core's cache.
OFFLINE_RUNS = 32
# How many of the shortest windows make one over files, and of a file that plays: more context on
# both sides. Eight that overlap by half are 0.07 dB of the beat better than four that
# overlap by a quarter, for 1.7 times the work and 200 MB.
OFFLINE_WINDOW, READ_AHEAD_WINDOW = 4, 2
WAITING_PRIOR_STRIDE = 2  # hops; whatever the machine, so that the result is the same


# What a model, or several, become.
LoadedSeparator = (
    SpectralEngine
    | WaveformSeparator
    | StatefulWaveformSeparator
    | CheckedSeparator
    | EnsembleSeparator
    | TwoPassSeparator
)


def load_separator(
    model: Path | EntryPoint | SeparatorFactory | Combination,
    *,
    device: str = "auto",
    stride_blocks: int | None = None,
    offline: bool = False,
    read_ahead: bool = False,
    prior_stride: int | None = None,
    cores: int | None = None,
    wait: bool | None = None,
) -> LoadedSeparator:
    """Load a model file into the engine that its spec asks for, or a separator from a plugin.

    Parameters
    ----------
    model
        ONNX file with a ModelSpec in its metadata, or a plugin: its entry point, or the factory
        itself. Or several together, which is for ``offline``.
    device
        ``"auto"``, ``"cuda"`` or ``"cpu"``.
    stride_blocks
        Sliding models only: model strides per run; more is cheaper and later.  [default: 1;
        for a whole-window model as many as this machine's measured speed needs]
    offline
        Nobody waits for the sound: a whole-window model may look at it from both sides, a graph of
        any frames is given many at once, and each mask of a prior is waited for.
    read_ahead
        Live, but of a sound that is known beforehand: latency costs nothing.
    prior_stride
        Hops between runs of the model's prior, 0 for none.  [default: what this machine's measured
        speed allows; with ``wait`` `WAITING_PRIOR_STRIDE`]
    cores
        Offline, for whole windows: CPU threads of a run.  [default: one a core]
    wait
        Have each run of a prior done by the next hop, whatever the machine's speed: the same sound
        every time, not live.  [default: as ``offline``]

    Raises
    ------
    ModelError
        If the file is missing, not ONNX, or breaks its contract; or if the plugin does.
    BackendError
        If ``device="cuda"`` can't be had, or the machine is too slow for a whole-window model.
    ArgumentError
        If several models are to run live.
    """
    if isinstance(model, Combination):
        return _load_combination(model, device, offline, cores)
    if not isinstance(model, Path):
        return load_plugin_separator(model, SeparatorOptions(device=device, offline=offline))
    spec = ModelSpec.from_metadata(read_metadata(model))
    if spec.feature == "waveform":
        return _load_waveform(model, spec, device, stride_blocks, offline, read_ahead, cores)
    if spec.looks_both_ways:
        return _load_whole_window(model, spec, device, stride_blocks, offline, read_ahead, cores)
    if spec.prior:
        wait = offline if wait is None else wait
        prior = _load_prior(spec, model, device, prior_stride, wait)
        if prior is not None:
            return TwoSpeedSeparator(OnnxBackend(model, device=device), prior)
    backend = OnnxBackend(model, device=device, runs_at_once=OFFLINE_RUNS if offline else 1)
    if spec.mode == "sliding":
        return SlidingSeparator(backend, stride_blocks=stride_blocks or 1)
    return PipelinedSeparator(backend) if offline else StatefulSeparator(backend)


def _load_combination(
    combination: Combination, device: str, offline: bool, cores: int | None
) -> EnsembleSeparator | TwoPassSeparator:
    if not offline:
        raise ArgumentError(
            "several models together were asked for live",
            expected="one model",
            remedy="name one, or separate a file",
        )

    def load(model: Path | EntryPoint | SeparatorFactory) -> Separator:
        return load_separator(model, device=device, offline=True, cores=cores)

    members = [load(model) for model in combination.models]
    blended = EnsembleSeparator(members, combination.blend) if combination.blend else None
    if combination.second is not None:
        return TwoPassSeparator(blended or members[0], load(combination.second))
    if blended is None:
        raise ValueError("neither a blend nor a second pass")
    return blended


def _load_whole_window(
    model: Path,
    spec: ModelSpec,
    device: str,
    stride_blocks: int | None,
    offline: bool,
    read_ahead: bool,
    cores: int | None,
) -> SpectralEngine:
    if offline:
        cores = cores or os.cpu_count() or 1
        if spec.any_frames:  # whose transforms have a core meanwhile
            cores = max(1, cores - 1)
        return OverlappedSeparator(
            OnnxBackend(model, device=device, runs_at_once=OFFLINE_WINDOW, cores=cores)
        )
    times = READ_AHEAD_WINDOW if read_ahead else 1
    backend = OnnxBackend(model, device=device, runs_at_once=times)
    if stride_blocks is not None:
        return SlidingSeparator(backend, stride_blocks=stride_blocks)
    # Who plays a file waits for its first sample, and its slack makes up for a rough figure.
    run_s = measure_run(backend, 0.0) if read_ahead else measure_run(backend)
    schedule = choose_schedule(backend.spec, run_s, read_ahead=read_ahead)
    return SlidingSeparator(backend, schedule=schedule)


def _load_waveform(
    model: Path,
    spec: ModelSpec,
    device: str,
    stride_blocks: int | None,
    offline: bool,
    read_ahead: bool,
    cores: int | None,
) -> WaveformSeparator | StatefulWaveformSeparator:
    if spec.mode == "stateful":
        return StatefulWaveformSeparator(OnnxBackend(model, device=device))
    if offline:
        backend = OnnxBackend(model, device=device, cores=cores or os.cpu_count())
        return WaveformSeparator.overlapped(backend)
    backend = OnnxBackend(model, device=device)
    if stride_blocks is not None:
        return WaveformSeparator.strided(backend, stride_blocks)
    run_s = measure_run(backend, 0.0) if read_ahead else measure_run(backend)
    return WaveformSeparator.live(
        backend, choose_schedule(backend.spec, run_s, read_ahead=read_ahead)
    )


def _load_prior(
    spec: ModelSpec, model: Path, device: str, stride: int | None, wait: bool
) -> MaskPrior | None:
    """Load a model's prior as often as it is to be run, or not at all.

    Raises
    ------
    ModelError, BackendError
        As `OnnxBackend` does; but where the machine is to decide and the file isn't there, there
        is none.
    """
    path = spec.prior_file(model)
    if stride == 0 or (stride is None and not os.path.isfile(path)):
        return None
    backend = OnnxBackend(path, device=device)
    if stride is None and wait:
        stride = WAITING_PRIOR_STRIDE
    elif stride is None:
        on_gpu = backend.provider != "CPU"
        stride = choose_prior_stride(backend.spec, measure_run(backend, 0.1), on_gpu=on_gpu)
    if not stride:
        return None
    return MaskPrior(backend, stride, wait=wait, directions=spec.multichannel_wiener)
