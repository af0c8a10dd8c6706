"""What the live model is trained to make small."""

from __future__ import annotations

import torch
from torch import Tensor

COMPRESSION = 0.5
COMPLEX_WEIGHT = 0.5
FLOOR = 1e-4  # keeps the root's slope finite in silence


def separation_loss(spectrum: Tensor, masks: Tensor, target: Tensor) -> Tensor:
    """Return the loss of a masked spectrum, for the stem and for what is left.

    Mean squares of compressed spectra, of their magnitudes and with their phase: compression
    weighs quiet bins as ears do, and squares ask for the mean of what may be true. (Plain L1
    asks for the median, which for a voice in any given bin is silence: trained so, the network
    stayed near an empty mask for hundreds of steps.) Each item is normalised by its mixture's
    level, so that quiet songs count too.

    Parameters
    ----------
    spectrum, target
        complex64, (batch, channels, bins, frames): mixture and true stem.
    masks
        float32 of the same shape.
    """
    level = spectrum.abs().square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-3)
    mixture, stem = spectrum / level, target / level
    estimate = mixture * masks
    total = torch.zeros((), device=spectrum.device)
    for guess, truth in ((estimate, stem), (mixture - estimate, mixture - stem)):
        guess_root, truth_root = _root(guess), _root(truth)
        total = total + (guess_root - truth_root).square().mean()
        difference = guess / guess_root - truth / truth_root
        total = total + COMPLEX_WEIGHT * difference.abs().square().mean()
    return total


def _root(spectrum: Tensor) -> Tensor:
    """Return the compressed magnitude."""
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + FLOOR**2).pow(COMPRESSION / 2)
