"""Pickled arrays are read, by old and new numpy's names; what a pickle could run isn't."""

import io
import os
import pickle

import numpy as np
import pytest

from streamsep.errors import ModelError
from streamsep.models.plain_arrays import read_plain_arrays

ARRAYS = {
    "weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "bias": np.float32([1.5]),
    "none": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("module", [b"numpy._core", b"numpy.core"])
def test_arrays_come_back(protocol, module):
    content = pickle.dumps(ARRAYS, protocol)
    if protocol < 4:  # whose names have lengths
        content = content.replace(b"numpy._core", module)
    arrays = read_plain_arrays(io.BytesIO(content))
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.dtype == np.float32


class Command:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    "content",
    [
        {"weight": Command()},
        {"weight": np.zeros(3)},
        {"weight": np.zeros(3, ">f4")},
        {"weight": np.array([Command()], object)},
        {"weight": [1.0, 2.0]},
        [np.zeros(3, np.float32)],
        "text",
    ],
)
def test_anything_else_is_refused_and_nothing_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="aren't plain arrays"):
        read_plain_arrays(io.BytesIO(pickle.dumps(content, 2)))
    assert not list(tmp_path.iterdir())


def test_an_array_of_another_size_than_its_bytes_is_refused():
    content = pickle.dumps({"a": np.zeros((2, 3), np.float32)}, 2)
    larger = content.replace(b"K\x02K\x03\x86", b"K\xf0K\xf0\x86")
    assert larger != content
    with pytest.raises(ModelError, match="another size"):
        read_plain_arrays(io.BytesIO(larger))


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"no pickle", b"\x80\x02}q\x00."[:-1]])
def test_what_is_no_pickle_is_refused(content):
    with pytest.raises(ModelError):
        read_plain_arrays(io.BytesIO(content))
