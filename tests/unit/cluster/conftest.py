"""A real object store on this machine, and a model for tests of catalogues."""

import fsspec
import pytest

from testing.cluster import Store
from tests.support import models


@pytest.fixture(scope="module")
def store():
    there = Store()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in there.environment.items():
            patch.setenv(name, value)
        there.fs.makedirs("songs", exist_ok=True)
        yield there
        fsspec.filesystem("s3").clear_instance_cache()
        there.server.stop()


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
