import pytest
import torch

from export.engine.metrics import count_parameters
from export.recipes.tutorial.network import NetworkConfig, VocalModel

FRAMES = 64


@pytest.fixture(scope="module", params=["direct", "gated"])
def small(request: pytest.FixtureRequest) -> VocalModel:
    torch.manual_seed(0)
    return VocalModel(NetworkConfig(bins=33, width=1 / 32, head=request.param)).eval()


def test_the_full_network_has_18_11_million_parameters() -> None:
    with torch.device("meta"):  # shapes only: no need to fill 70 MB
        assert count_parameters(VocalModel()) == 18_112_002
        assert count_parameters(VocalModel(NetworkConfig(width=0.5))) == 6_107_906


def test_shape_is_kept() -> None:
    model = VocalModel(NetworkConfig(width=1 / 32))
    with torch.no_grad():
        assert model(torch.zeros(3, 1025, 256)).shape == (3, 1, 1025, 256)


@torch.no_grad()
def test_stems_are_told_apart_in_order() -> None:
    """Taking one stem's outputs away leaves the other as it was."""
    torch.manual_seed(0)
    model = VocalModel(NetworkConfig(bins=33, width=1 / 32, stems=2)).eval()
    x = torch.rand(1, 33, 16)
    before = model(x)
    model.out.bias[33:] += 1
    torch.testing.assert_close(
        model(x) - before, torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 33, 16)
    )


def test_channels_follow_the_width() -> None:
    assert NetworkConfig().channels == (1024, 512, 256)
    assert NetworkConfig(width=0.5).channels == (512, 256, 128)


def test_every_convolution_is_weight_normed(small: VocalModel) -> None:
    parametrised = [n for n, m in small.named_modules() if hasattr(m, "parametrizations")]
    assert parametrised == ["conv1", "conv2", "conv3", "up1", "up2", "out"]


@torch.no_grad()
@pytest.mark.parametrize("shift", [1, 2, 3, 4, 8])
def test_equivariant_to_shifts_by_4_frames_only(small: VocalModel, shift: int) -> None:
    x = torch.rand(1, 33, 160)
    before, after = torch.rand(1, 33, shift), torch.rand(1, 33, -shift % 4)
    base = small(x)
    moved = small(torch.cat([before, x, after], -1))[..., shift:]
    # By frame 96 the GRUs have forgotten how it began; 12 frames are spared for the look-ahead.
    difference = (moved[..., 96:148] - base[..., 96:148]).abs().max()
    if shift % 4 == 0:
        assert difference < 1e-6  # float rounding of values around 0.1
    else:
        assert difference > 1e-4


@pytest.mark.parametrize(("position", "lookahead"), [(0, 8), (1, 7), (2, 6), (3, 5)])
def test_lookahead_by_place_in_the_stride(small: VocalModel, position: int, lookahead: int) -> None:
    frame = 24 + position
    x = torch.rand(1, 33, FRAMES, requires_grad=True)
    small(x)[..., frame].sum().backward()
    assert x.grad is not None
    touched = x.grad.abs().sum((0, 1)).nonzero().flatten()
    assert int(touched.max()) - frame == lookahead
    assert int(touched.min()) == 0  # the skips remember everything


@torch.no_grad()
def test_the_gated_head_lies_between_silence_and_the_mixture() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 33, 16) * 6
    y = VocalModel(NetworkConfig(bins=33, width=1 / 32, head="gated"))(x)
    assert (y >= 0).all()
    assert (y <= x[:, None]).all()


@pytest.mark.parametrize("options", [{"head": "cubic"}, {"width": 0.0}, {"bins": 0}, {"stems": 0}])
def test_impossible_networks_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        NetworkConfig(**options)  # type: ignore[arg-type]
