"""From sound to what the U-Net reads, and from its logits to masks of all bins."""

from __future__ import annotations

import torch
from torch import Tensor

from export.recipes.spleeter.network import BINS, POOLED

N_FFT = 4096
HOP_LENGTH = 1024


def stft(samples: Tensor) -> Tensor:
    """Return complex64 spectra (…, 2049, frames) of samples (…, N): whole windows alone."""
    window = torch.hann_window(N_FFT, device=samples.device)
    flat = samples.reshape(-1, samples.shape[-1])
    spectra: Tensor = torch.stft(
        flat, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True
    )
    return spectra.reshape(*samples.shape[:-1], *spectra.shape[1:])


def to_rows(magnitude: Tensor) -> Tensor:
    """Return what the network reads of magnitudes (batch, 2, 2049, frames).

    Returns
    -------
    Tensor
        (batch, 2, frames, ROWS): bins to 11 kHz, then the mean of every sixteen above.
    """
    x = magnitude.transpose(2, 3)
    treble = x[..., BINS:-1].unflatten(-1, (-1, POOLED)).mean(-1)
    return torch.cat([x[..., :BINS], treble], -1)


def to_bins(rows: Tensor) -> Tensor:
    """Give every bin the value of its row: (batch, 2, frames, ROWS) to (batch, 2, 2049, frames)."""
    treble = rows[..., BINS:].repeat_interleave(POOLED, -1)
    # Nyquist follows its neighbour.
    return torch.cat([rows[..., :BINS], treble, treble[..., -1:]], -1).transpose(2, 3)
