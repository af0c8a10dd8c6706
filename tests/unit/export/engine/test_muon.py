import pytest
import torch
from torch import Tensor, nn

from export.engine.muon import STEP_RMS, Muon, orthogonal

RATE = 0.01
NEAR_ONE = (0.6, 1.3)  # where the polynomial leaves singular values, and bfloat16's rounding


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, (2, 5))
        self.up = nn.ConvTranspose2d(6, 4, (1, 4))
        self.recurrent = nn.GRU(8, 5)
        self.head = nn.Conv2d(8, 2, 1)
        self.place = nn.Parameter(torch.zeros(3, 4))


def check_alike(values: Tensor) -> None:
    low, high = NEAR_ONE
    assert low < values.min()
    assert values.max() < high


def stepped() -> tuple[Small, dict[str, Tensor], dict[str, Tensor]]:
    """Return a network after a step of random gradients, these, and the weights before."""
    torch.manual_seed(0)
    network = Small()
    optimizer = Muon(network, [network.head], RATE, 0.0)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for p in network.parameters():
        # Outputs whose gradients differ by 30 dB: what is rarely asked for.
        sizes = torch.logspace(-1.5, 0, len(p))
        p.grad = torch.randn_like(p) * sizes.reshape(-1, *[1] * (p.dim() - 1))
    gradients = {name: torch.clone(p.grad) for name, p in network.named_parameters()}  # type: ignore[arg-type]
    optimizer.step()
    return network, gradients, before


@pytest.mark.parametrize("shape", [(1, 6, 20), (1, 20, 6), (3, 8, 8)])
def test_singular_values_become_alike_and_their_vectors_stay(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(shape) * 1e-4
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    # What it became, seen in the directions of what it was: a diagonal matrix of about 1.
    seen = left.transpose(1, 2) @ orthogonal(matrices) @ right.transpose(1, 2)
    values = seen.diagonal(dim1=1, dim2=2)
    check_alike(values)
    # bfloat16 has 8 bits: a few roundings of 1/256 each.
    assert (seen - torch.diag_embed(values)).abs().max() < 0.05


@pytest.mark.slow
def test_a_step_of_a_convolution_is_as_long_in_all_directions() -> None:
    network, gradients, before = stepped()
    for name, turn in (("down.weight", False), ("up.weight", True)):
        by = (before[name] - network.get_parameter(name)) / RATE
        gradient = gradients[name]
        if turn:
            by, gradient = by.transpose(0, 1), gradient.transpose(0, 1)
        matrix = by.reshape(len(by), -1)
        check_alike(torch.linalg.svdvals(matrix) / (STEP_RMS * max(matrix.shape) ** 0.5))
        assert (by * gradient).sum() > 0  # and down the gradient


@pytest.mark.slow
def test_each_gate_of_a_recurrent_layer_is_a_matrix() -> None:
    network, _, before = stepped()
    by = (before["recurrent.weight_ih_l0"] - network.get_parameter("recurrent.weight_ih_l0")) / RATE
    for gate in by.chunk(3):
        check_alike(torch.linalg.svdvals(gate) / (STEP_RMS * max(gate.shape) ** 0.5))


@pytest.mark.slow
def test_the_rest_is_taught_as_by_adamw() -> None:
    torch.manual_seed(2)
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    names = ["place", "down.bias", "recurrent.bias_hh_l0", "head.weight", "head.bias"]
    optimizers = (
        Muon(ours, [ours.head], RATE, 0.1),
        torch.optim.AdamW([theirs.get_parameter(n) for n in names], RATE, weight_decay=0.1),
    )
    for _ in range(5):
        for name in names:
            gradient = torch.randn_like(ours.get_parameter(name))
            for network in (ours, theirs):
                network.get_parameter(name).grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    for name in names:
        # The same sums in another order of float32.
        torch.testing.assert_close(
            ours.get_parameter(name), theirs.get_parameter(name), rtol=1e-5, atol=1e-7
        )


@pytest.mark.slow
def test_what_does_not_learn_is_left_alone() -> None:
    network = Small()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    Muon(network, [], RATE, 0.1).step()
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())


@pytest.mark.slow
def test_another_optimisers_state_is_refused() -> None:
    network = Small()
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    other = torch.optim.AdamW(network.parameters())
    other.step()
    with pytest.raises(ValueError, match="AdamW taught it so far"):
        Muon(network, [], RATE, 0.0).load_state_dict(other.state_dict())
