"""The seam to onnxruntime: bound buffers, states that stay where the model runs, CUDA graphs."""

import os
import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest

from streamsep.errors import ModelError
from streamsep.models import BUILTIN, find_model
from streamsep.models.integrity import model_files
from streamsep.separation import backend as module
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.bound_port import BoundPort
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT
from tests.support import models
from tests.support.cases import one_fast

RUNS = 12


@pytest.fixture(params=["here", "apart"])
def memory(request, monkeypatch):
    """The model's memory is ours, as on a CPU, or apart from it, as on a GPU."""
    if request.param == "apart":
        monkeypatch.setattr("streamsep.separation.bound_port.HERE", set())
    return request.param


def frames(shape):
    """Features of RUNS runs."""
    return np.random.default_rng(3).random((RUNS, *shape), dtype=np.float32)


def estimates(backend):
    made = []
    for features in frames(backend.features.shape):
        backend.features[...] = features
        backend.run()
        made.append(backend.estimate.copy())
    return np.stack(made)


@pytest.mark.parametrize("name", one_fast(BUILTIN))
def test_states_are_carried_on_as_by_hand(name, memory):
    backend = OnnxBackend(find_model(name), device="cpu")
    spec = backend.spec
    options = ort.SessionOptions()
    if spec.any_frames:
        options.add_free_dimension_override_by_name(module.FREE_AXIS, spec.frames_per_run)
    session = ort.InferenceSession(
        str(spec.graph_file(find_model(name))), options, providers=["CPUExecutionProvider"]
    )
    states = {state.input: np.zeros(state.shape, np.float32) for state in spec.states}
    names = [ESTIMATE_OUTPUT, *(state.output for state in spec.states)]
    expected = []
    for features in frames(spec.features_shape):
        estimate, *after = session.run(names, {FEATURES_INPUT: features, **states})
        states = dict(zip(states, after, strict=True))
        expected.append(estimate)
    np.testing.assert_allclose(estimates(backend), np.stack(expected), atol=1e-6)
    backend.reset()
    np.testing.assert_allclose(estimates(backend), np.stack(expected), atol=1e-6)


def test_nothing_but_features_and_estimate_travels(memory, monkeypatch):
    backend = OnnxBackend(find_model(None), device="cpu")
    moved = []
    for way in ("send", "fetch"):
        plain = getattr(BoundPort, way)
        monkeypatch.setattr(
            BoundPort,
            way,
            lambda port, way=way, plain=plain: (moved.append((way, port)), plain(port)),
        )
    estimates(backend)
    once = [("send", backend._features), ("fetch", backend._estimate)]
    assert moved == RUNS * once
    # What is bound stays bound: states are never seen here where the memory is apart.
    pairs = backend._states[0]
    seen = any(np.any(port.array) for states in pairs for port in states)
    assert seen == (memory == "here")


def test_each_stream_has_states_of_its_own(tmp_path, memory):
    path = models.remembering_mask(tmp_path / "two.onnx", interleave=2)
    both = OnnxBackend(path, device="cpu")
    apart = [OnnxBackend(path, device="cpu") for _ in range(2)]
    for _ in range(2):  # and none after a reset
        for number, features in enumerate(frames(both.features.shape)):
            stream = number // 3 % 2
            for backend, which in ((both, stream), (apart[stream], 0)):
                backend.features[...] = features
                backend.run(which)
            np.testing.assert_array_equal(both.estimate, apart[stream].estimate)
        for backend in (both, *apart):
            backend.reset()
    assert both.replays_what_it_runs()


def test_a_whole_window_model_runs_apart_as_it_does_here(tmp_path, monkeypatch):
    path = models.mdx(tmp_path / "mdx.onnx")
    here = estimates(OnnxBackend(path, device="cpu"))
    monkeypatch.setattr("streamsep.separation.bound_port.HERE", set())
    np.testing.assert_array_equal(estimates(OnnxBackend(path, device="cpu")), here)


class StaleGraphs(OnnxBackend):
    """Replays as a GPU would whose graph reads memory that others have by now."""

    def _run(self, options, stream):
        super()._run(options, stream)
        if options[0].get_run_config_entry("gpu_graph_id") != str(module.NO_GRAPH):
            self.estimate[...] *= 0.999


def test_graphs_are_kept_only_where_they_give_what_running_gives(memory):
    backend = OnnxBackend(find_model(None), device="cpu")
    assert backend.replays_what_it_runs()
    first = estimates(backend)  # and nothing of the proof is left
    assert not StaleGraphs(find_model(None), device="cpu").replays_what_it_runs()
    np.testing.assert_array_equal(first, estimates(OnnxBackend(find_model(None), device="cpu")))


def test_nobody_is_told_what_runs(tmp_path):
    """onnxruntime leaves events to be sent, and a number for the machine, in the user's cache."""
    script = """
import sys
from pathlib import Path
from streamsep.separation import load_separator
load_separator(Path(sys.argv[1]), device="cpu")
"""
    # Nothing of this environment: tests and continuous integration aren't reported on anyway.
    env = {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(find_model("live"))]
    subprocess.run(command, env=env, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class TestVariant:
    """A model that runs the graph of the one beside it."""

    def test_gives_what_that_one_gives(self, tmp_path):
        own = models.constant_mask(tmp_path / "own.onnx", 0.25)
        other = models.variant(tmp_path / "other.onnx", "own", hop_length=512)
        assert model_files(other) == [other, own]
        assert model_files(own) == [own]
        backends = [OnnxBackend(path, device="cpu") for path in (own, other)]
        assert [backend.spec.hop_length for backend in backends] == [1_024, 512]
        np.testing.assert_array_equal(*(estimates(backend) for backend in backends))

    def test_without_it_names_what_is_missing(self, tmp_path):
        with pytest.raises(ModelError, match=r"no model file at .*gone\.onnx"):
            OnnxBackend(models.variant(tmp_path / "other.onnx", "gone"), device="cpu")

    @pytest.mark.parametrize("graph", ["other", "another"])
    def test_of_a_model_without_a_graph_is_refused(self, tmp_path, graph):
        """Of itself, or of one more variant: nothing goes round in circles."""
        models.variant(tmp_path / "another.onnx", "other")
        with pytest.raises(ModelError):
            OnnxBackend(models.variant(tmp_path / "other.onnx", graph), device="cpu")

    def test_of_another_shape_is_refused(self, tmp_path):
        models.constant_mask(tmp_path / "own.onnx")
        with pytest.raises(ModelError, match="features"):
            OnnxBackend(models.variant(tmp_path / "other.onnx", "own", n_fft=4096), device="cpu")
