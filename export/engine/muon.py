"""The Muon optimiser: steps that are as long in every direction of a matrix.

Adam's steps for a matrix lie mostly in the few directions that all inputs share. Muon (Jordan et
al. 2024) makes all singular values of a step alike, so that rare directions are learnt as well.
What is no matrix is taught by AdamW.

References
----------
.. [1] Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
.. [2] Liu et al., "Muon is scalable for LLM training", 2025.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
# Root mean square of a step over its rate. AdamW's is about that, so that one rate does for both
# (Liu et al. 2025, "Muon is scalable for LLM training").
STEP_RMS = 0.2
# A polynomial that brings singular values from 0 to 1 near 1 when it is applied a few times.
COEFFICIENTS, TIMES = (3.4445, -4.7750, 2.0315), 5
GATES = 3  # of a GRU


class Matrices(NamedTuple):
    """How a weight is one matrix of outputs by inputs, or several of them one after another."""

    blocks: int = 1
    inputs_first: bool = False


class Muon(torch.optim.AdamW):
    """Muon for what multiplies inputs, AdamW for the rest.

    A convolution is a matrix of outputs by all that one of them sees, a GRU's weight one matrix for
    each gate.

    Parameters
    ----------
    rest
        Modules of the network that AdamW teaches all the same; the last layer, usually.
    lr, weight_decay
        As of AdamW.
    """

    def __init__(
        self, network: nn.Module, rest: Iterable[nn.Module], lr: float, weight_decay: float
    ) -> None:
        self._matrices = find_matrices(network, set(rest))
        super().__init__(network.parameters(), lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nothing calls with one
        """Take a step down the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                matrices = self._matrices.get(parameter)
                if parameter.grad is None or matrices is None:
                    continue
                by = _muon(parameter.grad, self.state[parameter], matrices)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(by, alpha=-group["lr"])
                parameter.grad = None  # AdamW leaves it alone then
        super().step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        ValueError
            If it is another optimiser's.
        """
        kept = state_dict["state"].values()
        if self._matrices and kept and not any("mean" in state for state in kept):
            raise ValueError("AdamW taught it so far; --start begins a new run with its weights")
        super().load_state_dict(state_dict)


def find_matrices(network: nn.Module, rest: set[nn.Module]) -> dict[Tensor, Matrices]:
    """Return which weights are matrices, and how."""
    found: dict[Tensor, Matrices] = {}
    for module in network.modules():
        if module in rest:
            continue
        if isinstance(module, nn.Conv2d | nn.Linear):
            found[module.weight] = Matrices()
        elif isinstance(module, nn.ConvTranspose2d):
            found[module.weight] = Matrices(inputs_first=True)
        elif isinstance(module, nn.GRU):
            for name, parameter in module.named_parameters():
                if name.startswith("weight"):
                    found[parameter] = Matrices(GATES)
    return found


def _muon(gradient: Tensor, state: dict[str, Any], matrices: Matrices) -> Tensor:
    mean: Tensor = state.setdefault("mean", torch.zeros_like(gradient))
    state.setdefault("step", torch.tensor(0.0))  # AdamW doesn't load what has none
    mean.lerp_(gradient, 1 - MOMENTUM)
    ahead = torch.lerp(gradient, mean, MOMENTUM)
    if matrices.inputs_first:
        ahead = ahead.transpose(0, 1)
    blocks = ahead.reshape(matrices.blocks, -1, ahead[0].numel())
    # Of n by m orthogonal rows or columns the root mean square is 1/√max(n, m).
    blocks = orthogonal(blocks) * (STEP_RMS * max(blocks.shape[1:]) ** 0.5)
    by: Tensor = blocks.reshape(ahead.shape)
    return by.transpose(0, 1) if matrices.inputs_first else by


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices with the same singular vectors and singular values near 1.

    Parameters
    ----------
    matrices
        float32, (count, outputs, inputs).

    Returns
    -------
    Tensor
        Of that shape. What was small and isn't noise gets values from 0.7 to 1.2: near enough, and
        so it takes few products, in bfloat16.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    a, b, c = COEFFICIENTS
    for _ in range(TIMES):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    y: Tensor = x.float()
    return y.transpose(1, 2) if tall else y
