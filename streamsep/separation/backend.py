"""The seam to onnxruntime: one graph, its spec, and arrays bound to its inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from streamsep.errors import BackendError, ModelError, first_line
from streamsep.onnx_file import read_metadata
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, FREE_AXIS, ModelSpec

Float32 = NDArray[np.float32]

DEVICES = ("auto", "cuda", "cpu")
QUIET = 4  # onnxruntime's "fatal" severity
ERRORS_ONLY = 3


class Backend(Protocol):
    """A graph ready to run: fill ``features``, call `run`, read ``estimate``."""

    spec: ModelSpec
    provider: str
    features: Float32  # spec.features_shape
    estimate: Float32  # spec.estimate_shape

    def run(self) -> None:
        """Run the graph once over the bound arrays, carrying its states on."""

    def reset(self) -> None:
        """Zero the features, the estimate and all states."""


class OnnxBackend:
    """An onnxruntime session with preallocated, bound buffers.

    States alternate between two sets of buffers, each the input of one binding and the output
    of the other, so that carrying them on copies nothing.

    Parameters
    ----------
    path
        ONNX file with a ModelSpec in its metadata.
    device
        ``"auto"`` takes CUDA where it really runs, ``"cuda"`` insists, ``"cpu"`` never tries.
    runs_at_once
        Runs that become one, of an ``any_frames`` graph; ``spec`` then says so. Others run one
        by one.

    Raises
    ------
    ModelError
        If the file is missing, isn't ONNX, or its graph doesn't match its spec.
    BackendError
        If ``device="cuda"`` can't be had.
    """

    def __init__(self, path: Path, *, device: str = "auto", runs_at_once: int = 1) -> None:
        spec = ModelSpec.from_metadata(read_metadata(path))
        self.spec = spec = spec.batched(runs_at_once) if spec.any_frames else spec
        self._session = _open_session(path, device, _options(spec))
        self.provider: str = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.features: Float32 = np.zeros(spec.features_shape, np.float32)
        self.estimate: Float32 = np.zeros(spec.estimate_shape, np.float32)
        self._ports = _mdx_ports(self._session, spec) if spec.feature == "complex" else None
        if self._ports is None:
            _check_ports(self._session, spec)
        self._states = [
            [np.zeros(state.shape, np.float32) for state in spec.states] for _ in range(2)
        ]
        self._bindings = [self._bind(*self._states), self._bind(*reversed(self._states))]
        self._turn = 0
        # What a failed run logs stands in its exception too; the object is reused.
        self._run_options = ort.RunOptions()
        self._run_options.log_severity_level = QUIET

    def _bind(self, states_in: list[Float32], states_out: list[Float32]) -> Any:
        binding = self._session.io_binding()
        names = self.spec.states
        features, estimate = self._ports or (FEATURES_INPUT, ESTIMATE_OUTPUT)
        batched = self.features[np.newaxis] if self._ports else self.features
        inputs = [(features, batched)]
        inputs += [(s.input, array) for s, array in zip(names, states_in, strict=True)]
        outputs = [(estimate, self.estimate)]
        outputs += [(s.output, array) for s, array in zip(names, states_out, strict=True)]
        for bind, ports in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in ports:
                bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def run(self) -> None:
        """Run the graph once.

        Raises
        ------
        BackendError
            If onnxruntime fails.
        """
        try:
            self._session.run_with_iobinding(self._bindings[self._turn], self._run_options)
        except Exception as error:  # onnxruntime's errors share no narrower public base
            raise BackendError(
                f"the model failed while running on {self.provider}: {first_line(error)}",
                expected="a run without errors",
                remedy="try --device cpu, or another model",
            ) from error
        self._turn = 1 - self._turn

    def reset(self) -> None:
        """Zero all buffers."""
        self._turn = 0
        for array in (self.features, self.estimate, *self._states[0], *self._states[1]):
            array.fill(0.0)


def graph_ports(path: Path) -> tuple[list[list[object]], list[list[object]]]:
    """Return the shapes of a graph's inputs and outputs; free sizes are names or None.

    Raises
    ------
    ModelError
        If the file is missing or isn't ONNX.
    """
    read_metadata(path)  # refuses what onnxruntime shouldn't see
    session = _create(path, ["CPUExecutionProvider"], ort.SessionOptions())
    return [p.shape for p in session.get_inputs()], [p.shape for p in session.get_outputs()]


def _options(spec: ModelSpec) -> Any:
    options = ort.SessionOptions()
    # One hop is too little work to share out; a whole window leaves a core to the sound.
    cores = max(1, (os.cpu_count() or 1) - 1)
    options.intra_op_num_threads = cores if spec.feature == "complex" else 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Spinning threads would take the core that the audio callback needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if spec.any_frames:
        # So onnxruntime chooses kernels and places for the size that will come.
        options.add_free_dimension_override_by_name(FREE_AXIS, spec.frames_per_run)
    return options


def _open_session(path: Path, device: str, options: Any) -> Any:
    if device not in DEVICES:
        raise ValueError(f"device must be one of {DEVICES}, not {device!r}")
    if device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers():
        session = _try_cuda(path, options)
        if session is not None:
            return session
    if device == "cuda":
        raise BackendError(
            "CUDA was asked for and can't be used here",
            expected="an NVIDIA GPU with its driver and the CUDA and cuDNN libraries",
            remedy="pip install 'streamsep[cuda]', or use --device cpu",
        )
    return _create(path, ["CPUExecutionProvider"], options)


def _try_cuda(path: Path, options: Any) -> Any | None:
    """Return a session that really runs on CUDA, or None.

    The list of available providers names CUDA even where it can't load, and a failed load only
    shows in the finished session; what it prints meanwhile is worth nothing to a user.
    """
    with _quiet():
        if hasattr(ort, "preload_dlls"):
            with redirect_stdout(StringIO()):
                ort.preload_dlls()
        session = _create(path, ["CUDAExecutionProvider", "CPUExecutionProvider"], options)
    return session if session.get_providers()[0] == "CUDAExecutionProvider" else None


@contextmanager
def _quiet() -> Iterator[None]:
    ort.set_default_logger_severity(QUIET)
    try:
        yield
    finally:
        ort.set_default_logger_severity(ERRORS_ONLY)


def _create(path: Path, providers: list[str], options: Any) -> Any:
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no narrower public base
        raise ModelError(
            f"{path} can't be loaded as a model ({first_line(error)})",
            expected="an ONNX file exported for streamsep",
            remedy="check the path, or export it again with 'python -m export onnx'",
        ) from error


def _mdx_ports(session: Any, spec: ModelSpec) -> tuple[str, str]:
    """Return the names of a complex graph's only input and output, of sizes fixed or free."""
    names = []
    for kind, ports, wanted in (
        ("input", session.get_inputs(), (1, *spec.features_shape)),
        ("output", session.get_outputs(), spec.estimate_shape),
    ):
        found = {port.name: (port.type, tuple(port.shape)) for port in ports}
        if len(ports) != 1 or ports[0].type != "tensor(float)" or not _fits(ports[0].shape, wanted):
            raise ModelError(
                f"the graph's {kind}s are {_describe(found)}",
                expected=f"one {kind}, float32 {wanted}",
                remedy="import the model again with the parameters it was made with",
            )
        names.append(ports[0].name)
    return names[0], names[1]


def _fits(shape: list[object], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size == want or not isinstance(size, int) for size, want in zip(shape, wanted, strict=True)
    )


def _check_ports(session: Any, spec: ModelSpec) -> None:
    """Refuse a graph whose inputs and outputs aren't what its spec says."""
    inputs = {FEATURES_INPUT: spec.features_shape} | {s.input: s.shape for s in spec.states}
    outputs = {ESTIMATE_OUTPUT: spec.estimate_shape} | {s.output: s.shape for s in spec.states}
    for kind, wanted, ports in (
        ("inputs", inputs, session.get_inputs()),
        ("outputs", outputs, session.get_outputs()),
    ):
        found = {port.name: (port.type, tuple(port.shape)) for port in ports}
        if found != {name: ("tensor(float)", shape) for name, shape in wanted.items()}:
            raise ModelError(
                f"the graph's {kind} are {_describe(found)}",
                expected=f"float32 {', '.join(f'{n} {s}' for n, s in wanted.items())}",
                remedy="export the model again with 'python -m export onnx'",
            )


def _describe(found: dict[str, tuple[str, tuple[object, ...]]]) -> str:
    return ", ".join(f"{name} {kind} {shape}" for name, (kind, shape) in found.items()) or "none"
