"""Model files read as data: what isn't only data is refused before onnxruntime sees it."""

import pickle

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from streamsep import onnx_file
from streamsep.errors import ModelError
from streamsep.onnx_file import metadata_entry, read_metadata
from tests.support import models

UNLOADED = "can't be loaded as a model"
PICKLED = "is a pickle or an archive with one"


@pytest.fixture
def path(tmp_path):
    return models.mdx(tmp_path / "mdx.onnx", spec=False)


def rewrite(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())


def refused(path) -> str:
    with pytest.raises(ModelError) as caught:
        read_metadata(path)
    return caught.value.what


def test_metadata_appended_is_what_onnx_and_onnxruntime_read(path):
    text = "ü" * 300  # longer than one byte of length
    path.write_bytes(path.read_bytes() + metadata_entry("one", text) + metadata_entry("two", ""))
    expected = {"one": text, "two": ""}
    assert read_metadata(path) == expected
    assert {p.key: p.value for p in onnx.load(path).metadata_props} == expected
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == expected
    features = np.ones((1, 4, 2048, 32), np.float32)
    np.testing.assert_array_equal(session.run(None, {"input": features})[0], features)


@pytest.mark.parametrize("location", ["/etc/passwd", "../../secret", "beside.bin"])
def test_weights_in_other_files(path, location):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("float_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    rewrite(path, change)
    assert refused(path) == f"{path} keeps weights in other files"


def test_weights_in_other_files_within_a_branch(path):
    tensor = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.external_data.add(key="location", value="/dev/zero")
    branch = helper.make_graph([helper.make_node("Constant", [], ["w"], value=tensor)], "b", [], [])
    node = helper.make_node("If", ["input"], [], then_branch=branch, else_branch=branch)
    rewrite(path, lambda model: model.graph.node.append(node))
    assert refused(path) == f"{path} keeps weights in other files"


def test_operators_that_aren_t_onnxruntime_s(path):
    node = helper.make_node("Shell", ["input"], ["x"], domain="my.ops")
    rewrite(path, lambda model: model.graph.node.append(node))
    assert refused(path) == f"{path} has operators of the domain 'my.ops'"


def test_functions_of_its_own(path):
    function = helper.make_function(
        "my.ops",
        "F",
        ["a"],
        ["b"],
        [helper.make_node("Identity", ["a"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    rewrite(path, lambda model: model.functions.append(function))
    assert refused(path) == f"{path} has functions of its own"


@pytest.mark.parametrize("dims", [[2**20, 2**20], [-1], [0, 2**40]])
def test_tensors_of_absurd_size(path, dims):
    def change(model):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    rewrite(path, change)
    assert f"{path} has a tensor of " in refused(path)


def test_sparse_weights(path):
    weights = numpy_helper.from_array(np.ones(1, np.float32), "s")
    places = numpy_helper.from_array(np.zeros(1, np.int64))
    sparse = helper.make_sparse_tensor(weights, places, [2**40])
    rewrite(path, lambda model: model.graph.sparse_initializer.append(sparse))
    assert refused(path) == f"{path} has sparse weights"


def test_graphs_without_end(path):
    graph = helper.make_graph([], "leaf", [], [])
    for _ in range(20):
        node = helper.make_node("If", ["input"], [], then_branch=graph)
        graph = helper.make_graph([node], "branch", [], [])
    rewrite(path, lambda model: model.graph.node.append(graph.node[0]))
    assert refused(path) == f"{path} has graphs more than 16 deep"


def test_a_file_cut_short_anywhere_is_no_model(path):
    whole = path.read_bytes()
    for size in range(1, len(whole) - 8, 7):  # the opset's number comes after the graph
        path.write_bytes(whole[:size])
        assert UNLOADED in refused(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_never_loaded(path, protocol):
    path.write_bytes(pickle.dumps({"weight": 1.0}, protocol))
    assert refused(path) == f"{path} {PICKLED}, as torch.save writes them"


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_are_called_what_they_are(path, zipped):
    torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    assert PICKLED in refused(path)


def test_a_file_too_large(path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MAX_FILE_BYTES", 100)
    assert refused(path) == f"{path} {UNLOADED} ({path.stat().st_size} bytes)"
