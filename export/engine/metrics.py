"""How good an estimate is, in numbers that other work uses too."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from streamsep.evaluation.metrics import USDR_FLOOR

AUDIBLE_RMS = 1e-3  # -60 dBFS: below, a stem's SDR says nothing


def usdr(reference: Tensor, estimate: Tensor) -> Tensor:
    """Return the signal-to-distortion ratio of each row in dB, without any allowed distortion.

    This is the "uSDR" of the Music Demixing Challenge: the energy of the reference over the
    energy of the difference.

    Parameters
    ----------
    reference, estimate
        Shape (..., samples).

    Returns
    -------
    Tensor
        float64, shape (...).

    References
    ----------
    .. [1] Mitsufuji et al., "Music Demixing Challenge 2021", 2022.
    """
    reference, estimate = reference.double(), estimate.double()
    signal = reference.square().sum(-1) + USDR_FLOOR
    noise = (reference - estimate).square().sum(-1) + USDR_FLOOR
    return 10 * torch.log10(signal / noise)


class UsdrMeans:
    """Means of `usdr` over items and stems in which both the stem and the rest can be heard.

    ``usdr_target`` is that of the estimated stem, ``usdr_rest`` that of mixture minus it, and
    ``usdr_untouched`` that of the mixture taken for the rest, i.e. what doing nothing scores.
    """

    def __init__(self) -> None:
        self._scores: dict[str, list[float]] = {
            "usdr_target": [],
            "usdr_rest": [],
            "usdr_untouched": [],
        }

    def add(self, mixture: Tensor, stems: Tensor, estimates: Tensor) -> None:
        """Score a batch.

        Parameters
        ----------
        mixture
            float32, (batch, channels, samples).
        stems, estimates
            float32, (batch, S, channels, samples).
        """
        whole = mixture[:, None].expand_as(stems)
        rest = whole - stems
        audible = torch.minimum(rms_level(stems), rms_level(rest)).amin(-1) > AUDIBLE_RMS
        for name, truth, guess in (
            ("usdr_target", stems, estimates),
            ("usdr_rest", rest, whole - estimates),
            ("usdr_untouched", rest, whole),
        ):
            self._scores[name] += usdr(truth.flatten(-2), guess.flatten(-2))[audible].tolist()

    def means(self) -> dict[str, float]:
        """Return the means in dB by name; those of nothing are left out."""
        return {name: float(np.mean(s)) for name, s in self._scores.items() if s}


def rms_level(wave: Tensor) -> Tensor:
    """Return the root mean square of each row (..., samples), shape (...)."""
    return wave.square().mean(-1).sqrt()


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in model.parameters())
