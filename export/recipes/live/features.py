"""Four planes of log magnitude, left, right, mid and side, and two of the mid itself.

A voice is most often in the middle; magnitudes of left and right alone can't tell the middle
from two different sounds of equal level. Real and imaginary part of the mid say, from frame to
frame, where within a bin a partial lies (`export.recipes.live.network.FineSpectrum`).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Magnitudes span six decades: log1p(|X|) is all but zero for most treble, log1p(100 |X|) isn't.
FEATURE_GAIN = 100.0


def planes(spectrum: Tensor) -> Tensor:
    """Return log1p of 100 times the magnitudes of left, right, (left + right)/2, (left − right)/2.

    After them come real and imaginary part of (left + right)/2.

    Parameters
    ----------
    spectrum
        complex64, (batch, 2, bins, frames).

    Returns
    -------
    Tensor
        float32, (batch, 6, bins, frames).
    """
    left, right = spectrum.unbind(1)
    four = torch.stack([left, right, (left + right) / 2, (left - right) / 2], 1)
    middle = torch.view_as_real(four[:, 2]).movedim(-1, 1)
    return torch.cat([torch.log1p(FEATURE_GAIN * four.abs()), middle], 1)
