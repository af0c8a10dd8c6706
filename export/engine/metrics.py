"""How good an estimate is, in numbers that other work uses too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamsep.evaluation.metrics import USDR_FLOOR


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
    """
    reference, estimate = reference.double(), estimate.double()
    signal = reference.square().sum(-1) + USDR_FLOOR
    noise = (reference - estimate).square().sum(-1) + USDR_FLOOR
    return 10 * torch.log10(signal / noise)


AUDIBLE_RMS = 1e-3  # -60 dBFS: below, a stem's SDR says nothing


def level(wave: Tensor) -> Tensor:
    """Return the RMS of each row."""
    return wave.square().mean(-1).sqrt()


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in model.parameters())
