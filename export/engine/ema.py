"""The exponential moving average (EMA) of a network's weights, which is what is exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def make_ema(network: nn.Module, decay: float) -> AveragedModel:
    """Return the mean of a network's weights from here on; it begins with those it has.

    Parameters
    ----------
    decay
        What is kept of the mean at each step, in the long run; less in the first ones, of which
        a long mean would be the weights that the run began with.
    """

    def update(means: Any, now: Any, count: int | Tensor) -> None:
        kept = min(decay, float(count) / (9 + float(count)))
        get_ema_multi_avg_fn(kept)(means, now, count)

    # Of norms' statistics too: as they are in the network that learns they belong to other weights.
    ema = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    ema.update_parameters(network)
    return ema


def restore_ema(ema: AveragedModel, weights: Mapping[str, Tensor], count: int) -> None:
    """Go on with a mean of so many weights, those that it began with counted in."""
    ema.module.load_state_dict(weights)
    ema.n_averaged.fill_(count)


class Logits(nn.Module):
    """A network by its method ``logits``: what is trained, and what Fabric wraps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """Return the network's logits."""
        logits: Tensor = self.network.logits(features)  # type: ignore[operator]
        return logits
