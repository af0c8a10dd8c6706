"""What the live model is trained to make small.

Mean squares of compressed spectra, of their magnitudes and with their phase, for the stem and
for what is left: compression by the square root weighs quiet bins as ears do, and squares ask
for the mean of what may be true. (Plain L1 asks for the median, which for a voice in any given
bin is silence: trained so, a network stayed near an empty mask for hundreds of steps.) Each
item is normalised by its mixture's level, so that quiet songs count too. Added to that is the
error's level in decibels above a floor, which is what uSDR counts.

A mask m keeps the mixture's phase. With X the mixture and V the stem, the compressed stem and
its estimate are V/√|V| and √m X/√|X|, so their squared distances are

    (√m √|X| − √|V|)²       = m|X| − 2√m √(|X||V|) + |V|
    |√m X/√|X| − V/√|V||²   = m|X| − 2√m Re(X V*)/√(|X||V|) + |V|

and all but √m is known before the network has run. The same for the rest with 1 − m; what is
linear in m then cancels. In these terms a step costs a third less than with complex spectra.

References
----------
.. [1] Braun and Tashev, "A consolidated view of loss functions for supervised deep learning-based
   speech enhancement", 2021: compressed magnitudes and compressed complex spectra, mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from export.recipes.live.network import BAND_SIZES, BINS, bins_to_bands

COMPLEX_WEIGHT = 0.5
DECIBEL_WEIGHT = 0.02
DECIBEL_FLOOR = 1e-3  # relative to the mixture: what lies 30 dB below it is good enough
TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Targets:
    """What the loss needs of a batch, by band: float32 of shape (batch, channels, frames, 512)."""

    stem: Tensor  # what the root of the mask is worth
    rest: Tensor  # what the root of what the mask leaves is worth
    offset: Tensor  # scalar: the part of the loss that no mask changes
    power: Tensor  # |X|²
    overlap: Tensor  # Re(X V*)
    energy: Tensor  # |V|²


@torch.no_grad()
def make_targets(mixture: Tensor, stem: Tensor) -> Targets:
    """Reduce spectra to what the loss needs.

    Parameters
    ----------
    mixture, stem
        complex64, (batch, channels, bins, frames).
    """
    mixture, stem = (s.transpose(2, 3)[..., :BINS] for s in (mixture, stem))
    power = _power(mixture)
    level = power.mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-3)
    rest_energy, energy = _power(mixture - stem) / level**2, _power(stem) / level**2
    power = power / level**2
    # |X − V|² = |X|² + |V|² − 2 Re(X V*), and Re(X (X − V)*) = |X|² − Re(X V*).
    overlap = (power + energy - rest_energy) / 2
    worth = []
    for part, shared in ((energy, overlap), (rest_energy, power - overlap)):
        root = (power * part).sqrt().sqrt()
        worth.append(bins_to_bands(root + COMPLEX_WEIGHT * shared / (root + TINY)))
    magnitudes = sum(part.sqrt().mean() for part in (power, energy, rest_energy))
    return Targets(
        worth[0],
        worth[1],
        (1 + COMPLEX_WEIGHT) * torch.as_tensor(magnitudes),
        bins_to_bands(power),
        bins_to_bands(overlap),
        bins_to_bands(energy),
    )


def separation_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return the loss of the masks ``sigmoid(logits)``, as the module says.

    Parameters
    ----------
    logits
        float32, (batch, channels, frames, 512). Bands of several bins count as that many bins.
    targets
        Of the same batch.

    Returns
    -------
    Tensor
        float32 scalar; its gradient is finite in silence, too.
    """
    weights = band_sizes(logits.device) / BINS
    roots = targets.stem * (logsigmoid(logits) / 2).exp()
    roots = roots + targets.rest * (logsigmoid(-logits) / 2).exp()
    spectral = targets.offset - 2 * (roots.mean((0, 1, 2)) * weights).sum()
    masks = logits.sigmoid()
    error = masks * (masks * targets.power - 2 * targets.overlap) + targets.energy
    error = (error.mean((1, 2)) * weights).sum(-1)
    decibels = 10 * torch.log10(error.clamp_min(0) / DECIBEL_FLOOR + 1)
    return spectral + DECIBEL_WEIGHT * decibels.mean()


def batch_loss(logits: Tensor, mixture: Tensor, stems: Tensor) -> Tensor:
    """Return the mean `separation_loss` of each stem's masks, of as many frames as have logits.

    Parameters
    ----------
    logits
        float32, (batch, 2 · S, frames, 512).
    mixture
        complex64, (batch, 2, bins, at least as many frames).
    stems
        complex64, (batch, S, 2, bins, as the mixture).
    """
    count, frames = stems.shape[1], logits.shape[2]
    mixture, stems = mixture[..., :frames], stems[..., :frames]
    targets = make_targets(mixture.repeat_interleave(count, 0), stems.flatten(0, 1))
    return separation_loss(logits.unflatten(1, (count, 2)).flatten(0, 1), targets)


def band_sizes(device: torch.device) -> Tensor:
    """Return how many bins each band holds, float32 (512,)."""
    sizes = [torch.full((count,), float(size)) for size, count in BAND_SIZES]
    return torch.cat(sizes).to(device)


def _power(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()
