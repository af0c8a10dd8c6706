"""One look at held-out tracks: the loss, and what a listener would get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from export.data.audio import Audio
from export.engine.metrics import UsdrMeans
from export.engine.torch_stft import istft, stft
from export.recipes.tutorial.features import apply_estimate, log1p_magnitude
from export.recipes.tutorial.network import VocalModel


class Pairs(Protocol):
    """Mixture (samples,) and stems (S, samples) by index."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[Audio, Audio]: ...


@torch.no_grad()
def validate(model: VocalModel, pairs: Pairs, window: Tensor, batch_size: int) -> dict[str, float]:
    """Measure a model on pairs of waveforms.

    Returns
    -------
    dict
        ``loss``, the mean squared error of log1p magnitudes, and the means of
        `export.engine.metrics.UsdrMeans` in dB.
    """
    model.eval()
    losses: list[float] = []
    scores = UsdrMeans()
    for start in range(0, len(pairs), batch_size):
        items = [pairs[i] for i in range(start, min(start + batch_size, len(pairs)))]
        mixture, targets = (wave.to(window.device) for wave in stack(items))
        spectrum = stft(mixture, window)
        estimate = model(log1p_magnitude(spectrum))
        wanted = log1p_magnitude(stft(targets, window))
        losses += (estimate - wanted).square().mean((1, 2, 3)).tolist()
        stems = istft(apply_estimate(spectrum[:, None], estimate), window, mixture.shape[-1])
        # One channel at a time, as the network hears.
        scores.add(mixture[:, None], targets[:, :, None], stems[:, :, None])
    model.train()
    return {"loss": float(np.mean(losses)), **scores.means()}


def stack(items: Sequence[tuple[Audio, Audio]]) -> tuple[Tensor, Tensor]:
    """Return the first and the second of each pair, float32 of shape (items, ...)."""
    first, second = (torch.from_numpy(np.stack(side)) for side in zip(*items, strict=True))
    return first, second
