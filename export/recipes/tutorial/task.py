"""The tutorial's network and how it is taught."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from export.data.audio import Audio
from export.engine.torch_stft import make_window, stft
from export.recipes.tutorial.evaluator import Pairs, stack, validate
from export.recipes.tutorial.features import log1p_magnitude
from export.recipes.tutorial.network import NetworkConfig, VocalModel
from export.recipes.tutorial.train_config import TrainConfig


class Sampler(Protocol):
    """Where training pairs come from: a pure function of step and position."""

    def sample(self, step: int, position: int, batch_size: int) -> tuple[Audio, Audio]:
        """Return mixture (samples,) and stems (S, samples), float32."""


class TutorialTask:
    """Mean squared error of log magnitudes, as the tutorial has it.

    Parameters
    ----------
    config
        The recipe; that of a checkpoint replaces it on `restore`.
    sampler, valid_pairs
        What to train and validate on.
    """

    ema = None

    def __init__(
        self,
        config: TrainConfig,
        sampler: Sampler,
        valid_pairs: Pairs,
        *,
        device: torch.device | None = None,
    ) -> None:
        self.batch, self._valid_pairs = partial(draw_pairs, sampler), valid_pairs
        self._device = device or torch.device("cpu")
        torch.manual_seed(config.seed)
        network = NetworkConfig(width=config.width, head=config.head, stems=len(config.stems))
        self._set_up(config, network)

    def _set_up(self, config: TrainConfig, network: NetworkConfig) -> None:
        self.config = config
        self.learning_rate, self.schedule = config.learning_rate, config.schedule
        self.valid_every = config.valid_every
        self.batch_size, self.clip_norm = config.batch_size, config.clip_norm
        self.seed = config.seed
        self.model = VocalModel(network).to(self._device).train()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, fused=True
        )
        self._window = make_window(config.window).to(self._device)

    @property
    def network(self) -> nn.Module:
        """What `loss` calls."""
        return self.model

    def loss(
        self, network: Any, batch: tuple[Tensor, Tensor], step: int, places: range | None = None
    ) -> Tensor:
        """Return the mean squared error of a batch."""
        features, wanted = (log1p_magnitude(stft(wave, self._window)) for wave in batch)
        return mse_loss(network(features), wanted)

    def validate(self) -> dict[str, float]:
        """See `export.recipes.tutorial.evaluator.validate`."""
        batch_size = min(self.config.batch_size, 16)
        return validate(self.model, self._valid_pairs, self._window, batch_size)

    def state(self) -> dict[str, Any]:
        """Return network, recipe, weights and the optimiser's state."""
        return {
            "network": self.model.config.to_dict(),
            "train": self.config.to_dict(),
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on by the recipe of a checkpoint."""
        self._set_up(TrainConfig.from_dict(state["train"]), NetworkConfig(**state["network"]))
        self.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])


def draw_pairs(sampler: Sampler, step: int, places: range) -> tuple[Tensor, Tensor]:
    """Return mixtures (items, samples) and stems (items, S, samples) of a step, float32."""
    return stack([sampler.sample(step, place, places.stop) for place in places])
