"""A real object store on this machine, and a model for tests of catalogues."""

import pytest

from testing.cluster import running_store
from tests.support import models


@pytest.fixture(scope="module")
def store():
    with running_store() as there:
        yield there


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A model whose vocals and beat are half of the mixture each."""
    return models.constant_mask(tmp_path_factory.mktemp("models") / "half.onnx", 0.5)


@pytest.fixture
def bucket(store):
    """The store, emptied."""
    for name in store.names():
        store.fs.rm_file(f"songs/{name}")
    return store
