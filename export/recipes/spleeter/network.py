"""Spleeter's U-Net over magnitudes, in torch: a mask for the vocals of each channel.

Six convolutions halve frames and bins, six transposed ones double them beside skips from the other
side; a last, dilated convolution makes a mask for each channel. (Jansson et al. 2017, "Singing
voice separation with deep U-Net convolutional networks"; Hennequin et al. 2020, "Spleeter".)

The published network ends at 11 kHz. Here the bins above are pooled, sixteen by sixteen, into rows
that follow the others: convolutions that know spectra need little to learn to read them.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad, relu

CHANNELS = (2, 16, 32, 64, 128, 256, 512)
KERNEL = 5
NORM_EPS = 1e-3  # of the published network
NEGATIVE_SLOPE = 0.2
BINS = 1024  # that are taken one by one: 0 to 11 kHz
POOLED = 16  # bins a row above them
TREBLE_ROWS = 64
ROWS = BINS + TREBLE_ROWS
STRIDE = 1 << (len(CHANNELS) - 1)  # frames and rows come in multiples of it


class Encoder(nn.Module):
    """Halve frames and rows."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, KERNEL, stride=2)
        self.norm = nn.BatchNorm2d(channels_out, eps=NORM_EPS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the skip takes, before the norm, and what the next level takes."""
        skip = self.conv(pad(x, (1, 2, 1, 2)))
        return skip, leaky_relu(self.norm(skip), NEGATIVE_SLOPE)


class Decoder(nn.Module):
    """Double frames and rows."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels_in, channels_out, KERNEL, stride=2)
        self.norm = nn.BatchNorm2d(channels_out, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Take (batch, channels, frames, rows)."""
        y: Tensor = self.norm(relu(self.conv(x)[..., 1:-2, 1:-2]))
        return y


class SpleeterUNet(nn.Module):
    """Magnitudes in, logits of masks out.

    Frames and rows are padded with silence to multiples of ``STRIDE``.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(CHANNELS))
        self.encoders = nn.ModuleList(Encoder(a, b) for a, b in pairs)
        outs = [1, *CHANNELS[1:-1]]
        ins = [2 * c for c in CHANNELS[1:-1]] + [CHANNELS[-1]]
        self.decoders = nn.ModuleList(Decoder(a, b) for a, b in zip(ins, outs, strict=True))
        self.head = nn.Conv2d(1, CHANNELS[0], 4, dilation=2, padding=3)

    def logits(self, x: Tensor) -> Tensor:
        """Return the masks' logits.

        Parameters
        ----------
        x
            float32 magnitudes of a 4096-point STFT of samples from -1 to 1, periodic Hann window,
            unscaled: (batch, 2, frames, rows), both multiples of ``STRIDE``.

        Returns
        -------
        Tensor
            Of the same shape.
        """
        skips = []
        for encoder in self.encoders:
            skip, x = encoder(x)
            skips.append(skip)
        y = self.decoders[-1](skips.pop())
        for decoder in reversed(self.decoders[:-1]):
            y = decoder(torch.cat([skips.pop(), y], 1))
        logits: Tensor = self.head(y)
        return logits

    def train(self, mode: bool = True) -> SpleeterUNet:
        """Keep the norms' statistics as they were published: batches here are small and few."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self
