"""One look at held-out tracks: the loss, and what a listener would get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from export.data.audio import Audio
from export.engine.metrics import AUDIBLE_RMS, level, usdr
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
        ``loss``: mean squared error of log1p magnitudes. ``usdr_target`` and ``usdr_rest``:
        mean over excerpts and stems where both are audible, in dB, of the estimated stem and of
        mixture minus it. ``usdr_untouched``: that of the mixture taken for the rest, i.e. what
        doing nothing scores.
    """
    model.eval()
    losses: list[float] = []
    scores: dict[str, list[float]] = {"usdr_target": [], "usdr_rest": [], "usdr_untouched": []}
    for start in range(0, len(pairs), batch_size):
        items = [pairs[i] for i in range(start, min(start + batch_size, len(pairs)))]
        mixture, targets = (wave.to(window.device) for wave in stack(items))
        spectrum = stft(mixture, window)
        estimate = model(log1p_magnitude(spectrum))
        wanted = log1p_magnitude(stft(targets, window))
        losses += (estimate - wanted).square().mean((1, 2, 3)).tolist()
        stems = istft(apply_estimate(spectrum[:, None], estimate), window, mixture.shape[-1])
        whole = mixture[:, None].expand_as(targets)
        rest = whole - targets
        audible = torch.minimum(level(targets), level(rest)) > AUDIBLE_RMS
        for name, reference, guess in (
            ("usdr_target", targets, stems),
            ("usdr_rest", rest, whole - stems),
            ("usdr_untouched", rest, whole),
        ):
            scores[name] += usdr(reference, guess)[audible].tolist()
    model.train()
    means = {name: float(np.mean(values)) for name, values in scores.items() if values}
    return {"loss": float(np.mean(losses)), **means}


def stack(items: Sequence[tuple[Audio, Audio]]) -> tuple[Tensor, Tensor]:
    """Return the first and the second of each pair, float32 of shape (items, ...)."""
    first, second = (torch.from_numpy(np.stack(side)) for side in zip(*items, strict=True))
    return first, second
