"""Model files that are made to do harm: each ends in an error of one line, within limits."""

import time

import numpy as np
import pytest

from streamsep import onnx_file
from streamsep.errors import BackendError, ModelError
from streamsep.onnx_file import read_metadata
from streamsep.separation import run_limits
from streamsep.separation.backend import OnnxBackend
from tests.support import hostile_models, models

FEW_S = 2.0  # of this thread's computing; what is refused takes far less


def refused(path) -> str:
    with pytest.raises(ModelError) as caught:
        read_metadata(path)
    assert str(caught.value).isprintable()
    return caught.value.what


def test_a_run_that_asks_for_more_than_there_is_of_memory_fails_by_itself(tmp_path):
    path = hostile_models.asks_for_memory(tmp_path / "greedy.onnx")
    backend = OnnxBackend(path, device="cpu")
    for _ in range(2):  # what failed once fails in the same way again
        with pytest.raises(BackendError, match=r"test failed .* asks for more than the .* MB"):
            backend.run()
    # Others aren't harmed.
    other = OnnxBackend(models.constant_mask(tmp_path / "half.onnx", 0.5), device="cpu")
    other.run()
    np.testing.assert_array_equal(other.estimate, 0.5)


@pytest.mark.slow
def test_a_run_without_end_is_stopped_and_the_next_one_too(tmp_path, monkeypatch):
    """By counts of a thread that is counted on while the program runs: no clock decides."""
    monkeypatch.setattr(run_limits, "TICK_S", 0.1)
    monkeypatch.setattr(run_limits, "MOST_S", 0.2)
    path = hostile_models.never_ends(tmp_path / "endless.onnx")
    backend = OnnxBackend(path, device="cpu")
    for _ in range(2):
        with pytest.raises(BackendError, match=r"the model test failed .* computes for more than"):
            backend.run()


def test_a_model_is_busy_only_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(run_limits, "MOST_S", 2 * run_limits.TICK_S)
    limit = run_limits.TimeLimit()
    options = run_limits.ort.RunOptions()
    limit.begin([options])
    limit.tick()
    limit.end()
    for _ in range(5):
        limit.tick()
    assert (limit.over, options.terminate) == (False, False)
    limit.begin([options])
    for _ in range(3):
        limit.tick()
    assert (limit.over, options.terminate) == (True, True)
    limit.end()
    assert options.terminate is False


@pytest.mark.parametrize("kind", ["nodes", "axes"])
def test_what_takes_long_to_look_at_is_refused_soon(tmp_path, monkeypatch, kind):
    before_s = time.thread_time()
    if kind == "nodes":
        monkeypatch.setattr(onnx_file, "MAX_FIELDS", 50_000)
        path = hostile_models.of_many_nodes(tmp_path / "many.onnx", 1_000_000)
        assert refused(path) == f"{path} has more than 50000 parts"
    else:
        path = hostile_models.of_many_axes(tmp_path / "axes.onnx", 1_000_000)
        assert "a tensor of more than 64 axes" in refused(path)
    assert time.thread_time() - before_s < FEW_S


def test_models_of_ten_thousand_nodes_are_within_the_limits(tmp_path):
    assert read_metadata(hostile_models.of_many_nodes(tmp_path / "large.onnx", 10_000))


def test_metadata_of_many_megabytes(tmp_path):
    path = models.constant_mask(tmp_path / "half.onnx")
    text = "x" * (onnx_file.MAX_TEXT_BYTES + 1)
    path.write_bytes(path.read_bytes() + onnx_file.metadata_entry("long", text))
    assert "bytes in its metadata" in refused(path)


def test_names_that_steer_a_terminal_are_shown_as_text(tmp_path):
    path = hostile_models.named_badly(tmp_path / "named.onnx")
    with pytest.raises(ModelError) as caught:
        OnnxBackend(path, device="cpu")
    assert "owned" in str(caught.value)
    assert str(caught.value).isprintable()
