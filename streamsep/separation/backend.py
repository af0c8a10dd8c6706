"""The seam to onnxruntime: one graph, its spec, and arrays bound to its inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from streamsep.dsp.resumable import Resumable, State, copy_exactly
from streamsep.errors import BackendError, ModelError
from streamsep.onnx_file import read_metadata
from streamsep.separation.bound_port import BoundPort
from streamsep.separation.graph_ports import FLOAT32, GraphPort, fitting_ports, ports_of
from streamsep.separation.run_limits import TimeLimit, limit_memory
from streamsep.separation.window_spectrum import WindowSpectrum
from streamsep.spec import FREE_AXIS, ModelSpec
from streamsep.types import Float32

ort.disable_telemetry_events()  # on Windows there is no other way; see streamsep/__init__.py

DEVICES = ("auto", "cuda", "cpu")
# Beyond the runs that onnxruntime captures a graph in, for each of two bindings.
PROOF_RUNS = 8
SAME = 1e-5  # a graph replays the very kernels
NO_GRAPH = -1  # onnxruntime's name for "neither capture nor replay"
QUIET = 4  # onnxruntime's "fatal" severity
ERRORS_ONLY = 3


class Backend(Protocol):
    """A graph ready to run: fill ``features``, call `run`, read ``estimate``."""

    spec: ModelSpec
    provider: str
    features: Float32  # spec.features_shape
    estimate: Float32  # spec.estimate_shape

    def run(self, stream: int = 0) -> None:
        """Run the graph once over the bound arrays, carrying a stream's states on."""

    def reset(self) -> None:
        """Zero the features, the estimate and all states."""


class OnnxBackend(Resumable):
    """An onnxruntime session with preallocated, bound buffers.

    States alternate between two sets of buffers, each the input of one binding and the output
    of the other, so that carrying them on copies nothing; each stream has its own pair. On a GPU
    they stay there: features go up, the estimate comes down, nothing else does.

    A GPU is given all of a run at once, as a CUDA graph for each binding, where the model's graph
    allows that and replaying it gives the numbers that running it does.

    Parameters
    ----------
    path
        ONNX file with a ModelSpec in its metadata.
    device
        ``"auto"`` takes CUDA where it really runs, ``"cuda"`` insists, ``"cpu"`` never tries.
    runs_at_once
        Runs that become one, of an ``any_frames`` graph; ``spec`` then says so. Others run one
        by one.
    cores
        CPU threads of a run.  [default: one, and of a whole window one less than there are cores]

    Raises
    ------
    ModelError
        If the file is missing, isn't ONNX, or its graph doesn't match its spec.
    BackendError
        If ``device="cuda"`` can't be had.
    """

    def __init__(
        self, path: Path, *, device: str = "auto", runs_at_once: int = 1, cores: int | None = None
    ) -> None:
        spec = ModelSpec.from_metadata(read_metadata(path))
        self.spec = spec.batched(runs_at_once) if spec.any_frames else spec
        self._cores = cores or _free_cores(spec)
        graph = spec.graph_file(path)
        if spec.graph:
            read_metadata(graph)  # refuses what onnxruntime shouldn't see
        self._open(graph, device, graphs=True)
        if self.graphs and not self.replays_what_it_runs():
            self._open(graph, device, graphs=False)

    def _open(self, path: Path, device: str, *, graphs: bool) -> None:
        spec = self.spec
        self._session = _open_session(path, device, _options(spec, self._cores), graphs=graphs)
        self.provider: str = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.graphs = _has_graphs(self._session)
        ports = fitting_ports(
            ports_of(self._session.get_inputs()), ports_of(self._session.get_outputs()), spec
        )
        self._features, self._estimate = self._port(ports.features), self._port(ports.estimate)
        # Views, without an axis of batches.
        self.features: Float32 = self._features.array.reshape(spec.features_shape)
        self.estimate: Float32 = self._estimate.array.reshape(spec.estimate_shape)
        self._taken = {ports.features.name: self._features}
        self._given = {ports.estimate.name: self._estimate}
        self._spectrum: WindowSpectrum | None = None
        if ports.spectra:
            taken, given = (self._port(port) for port in ports.spectra)
            self._taken[ports.spectra[0].name], self._given[ports.spectra[1].name] = taken, given
            self._spectrum = WindowSpectrum(spec, taken.array[0], given.array[0])
        self._states = [
            [[BoundPort(state.shape, self.provider) for state in spec.states] for _ in range(2)]
            for _ in range(spec.interleave)
        ]
        self._bindings = [
            [self._bind(one, other), self._bind(other, one)] for one, other in self._states
        ]
        # A graph holds the addresses that it was captured with: one for each binding.
        self._run_options = [_run_options(1 + number) for number in range(2 * spec.interleave)]
        self._turns = [0] * spec.interleave
        self._limit = TimeLimit()

    def _port(self, port: GraphPort) -> BoundPort:
        return BoundPort(port.shape, self.provider, port.kind)  # type: ignore[arg-type]  # all are sizes

    def _bind(self, states_in: list[BoundPort], states_out: list[BoundPort]) -> Any:
        binding, states = self._session.io_binding(), self.spec.states
        for name, taken in self._taken.items():
            binding.bind_ortvalue_input(name, taken.tensor)
        for name, given in self._given.items():
            binding.bind_ortvalue_output(name, given.tensor)
        for state, before, after in zip(states, states_in, states_out, strict=True):
            binding.bind_ortvalue_input(state.input, before.tensor)
            binding.bind_ortvalue_output(state.output, after.tensor)
        return binding

    def replays_what_it_runs(self) -> bool:
        """Say whether captured graphs give what running the model does; resets all."""
        replayed = self._made_of_noise(self._run_options)
        run = self._made_of_noise([_run_options(NO_GRAPH)] * len(self._run_options))
        return (
            replayed is not None
            and run is not None
            and np.allclose(replayed, run, rtol=SAME, atol=SAME)
        )

    def _made_of_noise(self, options: list[Any]) -> Float32 | None:
        """Return estimates of some runs, (runs, …), or None where one failed."""
        noise, estimates = np.random.default_rng(0), []
        self.reset()
        try:
            for number in range(PROOF_RUNS * self.spec.interleave):
                noise.random(out=self._features.array, dtype=np.float32)
                self._run(options, number % self.spec.interleave)
                estimates.append(self.estimate.copy())
        except BackendError:
            return None
        self.reset()
        return np.stack(estimates)

    def run(self, stream: int = 0) -> None:
        """Run the graph once, with the states of a stream.

        Raises
        ------
        BackendError
            If onnxruntime fails.
        """
        self._run(self._run_options, stream)

    def _run(self, options: list[Any], stream: int) -> None:
        turn = self._turns[stream]
        self._limit.begin(options)
        try:
            if self._spectrum:
                self._spectrum.analyse(self.features)
            for taken in self._taken.values():
                taken.send()
            self._session.run_with_iobinding(
                self._bindings[stream][turn], options[2 * stream + turn]
            )
            for given in self._given.values():
                given.fetch()
            if self._spectrum:
                self._spectrum.synthesise(self.estimate)
        except Exception as error:  # onnxruntime's errors share no narrower public base
            raise BackendError(
                f"the model {self.spec.name} failed while running on {self.provider}: "
                f"{self._limit.why(error)}",
                expected="a run without errors",
                remedy="try the device cpu, or another model",
                settings=("device", "model"),
            ) from error
        finally:
            self._limit.end()
        self._turns[stream] = 1 - turn

    def reset(self) -> None:
        """Zero all buffers."""
        self._turns = [0] * self.spec.interleave
        ports = *self._taken.values(), *self._given.values()
        for port in (*ports, *chain(*chain(*self._states))):
            port.clear()

    def state(self) -> State:
        """Return what the next run of each stream is given of the runs before."""
        found: State = {}
        for name, port in self._carried():
            port.fetch()
            found[name] = port.array.copy()
        return found

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        for name, port in self._carried():
            copy_exactly(state, name, port.array)
            port.send()

    def _carried(self) -> Iterator[tuple[str, BoundPort]]:
        """Yield the ports that the next run of each stream reads its states from."""
        for stream, (turn, sets) in enumerate(zip(self._turns, self._states, strict=True)):
            for state, port in zip(self.spec.states, sets[turn], strict=True):
                yield f"{stream}.{state.input}", port


def graph_ports(path: Path) -> tuple[list[GraphPort], list[GraphPort]]:
    """Return a graph's inputs and outputs; free sizes are names or None.

    Raises
    ------
    ModelError
        If the file is missing or isn't ONNX.
    """
    read_metadata(path)  # refuses what onnxruntime shouldn't see
    session = _create(path, ["CPUExecutionProvider"], ort.SessionOptions())
    return ports_of(session.get_inputs()), ports_of(session.get_outputs())


def output_shapes(path: Path, inputs: dict[str, tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the shapes of what a graph gives for silence: what it doesn't say beforehand.

    Parameters
    ----------
    inputs
        Shapes by the inputs' names.

    Raises
    ------
    ModelError
        If the file isn't ONNX, or the graph doesn't run on that.
    """
    read_metadata(path)
    session = _create(path, ["CPUExecutionProvider"], ort.SessionOptions())
    kinds = {port.name: port.kind for port in ports_of(session.get_inputs())}
    silence = {
        name: np.zeros(shape, np.float32 if kinds[name] == FLOAT32 else np.float16)
        for name, shape in inputs.items()
    }
    limit, options = TimeLimit(), _run_options(NO_GRAPH)
    limit.begin([options])
    try:
        outputs = session.run(None, silence, options)
    except Exception as error:  # onnxruntime's errors share no narrower public base
        raise ModelError(
            f"{path} doesn't run on {inputs} ({limit.why(error)})",
            expected="a graph that takes windows of that size",
            remedy="give the window that it was trained with",
            settings=("window",),
        ) from error
    finally:
        limit.end()
    return [np.shape(output) for output in outputs]


def _free_cores(spec: ModelSpec) -> int:
    """Return how many a run may use beside the sound: one hop is too little work to share out."""
    return max(1, (os.cpu_count() or 1) - 1) if spec.looks_both_ways else 1


def _options(spec: ModelSpec, cores: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Spinning threads would take the core that the audio callback needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if spec.any_frames:
        # So onnxruntime chooses kernels and places for the size that will come.
        options.add_free_dimension_override_by_name(FREE_AXIS, spec.frames_per_run)
    return options


def _run_options(graph: int) -> Any:
    """Return options for runs that become, and are replayed as, the CUDA graph of that number."""
    options = ort.RunOptions()
    options.log_severity_level = QUIET  # what a failed run logs stands in its exception too
    options.add_run_config_entry("gpu_graph_id", str(graph))
    return options


def _has_graphs(session: Any) -> bool:
    options = session.get_provider_options().get("CUDAExecutionProvider", {})
    return bool(options.get("enable_cuda_graph") == "1")


def _open_session(path: Path, device: str, options: Any, *, graphs: bool) -> Any:
    if device not in DEVICES:
        raise ValueError(f"device must be one of {DEVICES}, not {device!r}")
    session = None
    if device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers():
        session = _try_cuda(path, options, graphs)
    if device == "cuda" and (session is None or not _on_cuda(session)):
        raise BackendError(
            "CUDA was asked for and can't be used here",
            expected="an NVIDIA GPU with its driver and the CUDA and cuDNN libraries",
            remedy="pip install 'streamsep[cuda]', or use the device cpu",
            settings=("device",),
        )
    return session or _create(path, ["CPUExecutionProvider"], options)


def _on_cuda(session: Any) -> bool:
    return bool(session.get_providers()[0] == "CUDAExecutionProvider")


def _try_cuda(path: Path, options: Any, graphs: bool) -> Any | None:
    """Return a session that runs on CUDA; one on the CPU where CUDA can't load; or else None.

    The list of available providers names CUDA even where it can't load, and a failed load only
    shows in the finished session; what it prints meanwhile is worth nothing to a user.

    With ``graphs`` it makes CUDA graphs if it can: onnxruntime refuses that for a model with
    control flow, or with a node that CUDA doesn't compute.
    """
    with _quiet(options):
        if hasattr(ort, "preload_dlls"):
            with redirect_stdout(StringIO()):
                ort.preload_dlls()
        for enabled in ("1", "0") if graphs else ("0",):
            cuda = "CUDAExecutionProvider", {"enable_cuda_graph": enabled}
            with suppress(ModelError):  # what is wrong with the model, the CPU tells as well
                return _create(path, [cuda, "CPUExecutionProvider"], options)
    return None


@contextmanager
def _quiet(options: Any) -> Iterator[None]:
    """Have onnxruntime print nothing, nor the sessions that are made with the options meanwhile."""
    ort.set_default_logger_severity(QUIET)
    options.log_severity_level = QUIET
    try:
        yield
    finally:
        ort.set_default_logger_severity(ERRORS_ONLY)
        options.log_severity_level = ERRORS_ONLY


def _create(path: Path, providers: Sequence[str | tuple[str, Any]], options: Any) -> Any:
    limit_memory(options)
    limit = TimeLimit()
    limit.begin([options])
    try:
        # It takes no name that is no text.
        model = str(path) if str(path).isprintable() else path.read_bytes()
        # Else onnxruntime takes the CPU where CUDA refuses, and says so on standard output.
        return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's errors share no narrower public base
        raise ModelError(
            f"{path} can't be loaded as a model ({limit.why(error)})",
            expected="an ONNX file exported for streamsep",
            remedy="check the path, or export it again with 'python -m export onnx'",
        ) from error
    finally:
        limit.end()
