"""The tutorial's network and how it is taught."""

from __future__ import annotations

from typing import Any, Protocol

import torch
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
    bf16
        Multiply in bfloat16.
    """

    def __init__(
        self,
        config: TrainConfig,
        sampler: Sampler,
        valid_pairs: Pairs,
        *,
        device: torch.device | None = None,
        bf16: bool = False,
    ) -> None:
        self._sampler, self._valid_pairs = sampler, valid_pairs
        self._device, self._bf16 = device or torch.device("cpu"), bf16
        torch.manual_seed(config.seed)
        network = NetworkConfig(width=config.width, head=config.head, stems=len(config.stems))
        self._set_up(config, network)

    def _set_up(self, config: TrainConfig, network: NetworkConfig) -> None:
        self.config = config
        self.learning_rate, self.schedule = config.learning_rate, config.schedule
        self.valid_every = config.valid_every
        self.model = VocalModel(network).to(self._device).train()
        self._optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, fused=True
        )
        self._window = make_window(config.window).to(self._device)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixtures (batch_size, samples) and stems (batch_size, S, samples), float32."""
        size = self.config.batch_size
        return stack([self._sampler.sample(step, i, size) for i in range(size)])

    def train_step(
        self, batch: tuple[torch.Tensor, torch.Tensor], step: int, learning_rate: float
    ) -> float:
        """Take one step and return its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        features, wanted = (
            log1p_magnitude(stft(wave.to(self._device), self._window)) for wave in batch
        )
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            estimate = self.model(features)
        loss = mse_loss(estimate.float(), wanted)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self._optimizer.step()
        return loss.item()

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
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on by the recipe of a checkpoint."""
        self._set_up(TrainConfig.from_dict(state["train"]), NetworkConfig(**state["network"]))
        self.model.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
