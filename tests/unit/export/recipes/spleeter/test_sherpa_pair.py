"""Spleeter's two networks in sherpa-onnx's form, through ``models import``, against torch."""

import numpy as np
import pytest
import torch

from export.recipes.spleeter.network import CHANNELS
from export.recipes.spleeter.weights import build
from streamsep.cli import cli
from streamsep.models import imported_path
from streamsep.models.published_spleeter import spleeter_graph
from streamsep.separation.backend import OnnxBackend
from tests.unit.export.recipes.spleeter.conftest import random_arrays

# Sigmoids of float32 sums in another order, squared and divided by each other.
MASKS = 2e-4


@pytest.fixture
def imported(tmp_path):
    """The imported file, and both networks in torch."""
    weights = {
        name: random_arrays(CHANNELS, i) for i, name in enumerate(("vocals", "accompaniment"))
    }
    paths = [tmp_path / f"{stem}.onnx" for stem in weights]
    for path, arrays in zip(paths, weights.values(), strict=True):
        path.write_bytes(spleeter_graph(arrays))
    cli(["models", "import", *map(str, paths), "--licence", "MIT"], standalone_mode=False)
    return imported_path("spleeter"), [build(arrays) for arrays in weights.values()]


@pytest.mark.slow
@torch.no_grad()
def test_the_imported_pair_masks_as_both_networks_say(imported):
    path, networks = imported
    backend = OnnxBackend(path, device="cpu")
    rng = np.random.default_rng(0)
    backend.features[...] = rng.gamma(0.5, 20.0, backend.features.shape)
    backend.run()
    x = torch.from_numpy(backend.features[:, :1_024].transpose(0, 2, 1).copy())[None]
    v, a = (x.double() * n.logits(x).sigmoid().double() for n in networks)
    mask = ((v**2 + 5e-11) / (v**2 + a**2 + 1e-10))[0].numpy().transpose(0, 2, 1)
    assert mask.std() > 0.01
    # Of what both networks leave out nearly all of, float32 decides which leaves more.
    told = ((v + a) / x.clamp(min=1e-3) > 0.05)[0].numpy().transpose(0, 2, 1)
    assert told.mean() > 0.5
    estimate = backend.estimate[0, :, :1_024]
    np.testing.assert_allclose(estimate[told], mask[told], atol=MASKS, rtol=0)
    above = backend.estimate[0, :, 1_024:]
    mean = np.broadcast_to(estimate.mean(axis=1, keepdims=True), above.shape)
    np.testing.assert_allclose(above, mean, atol=1e-6, rtol=0)
