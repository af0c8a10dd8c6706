"""The network's view of sound: centred STFT, log1p magnitude and phase, and the way back.

Equal to ``librosa.stft(..., pad_mode="constant")`` to float precision; tests hold it there.

References
----------
.. [1] Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984:
   the window-square-sum division that ``istft`` performs, i.e. synthesis by the canonical dual.
"""

from __future__ import annotations

import torch
from torch import Tensor


def log1p_magnitude(spectrum: Tensor) -> Tensor:
    """Return ``log(1 + |spectrum|)``, float32, same shape."""
    return torch.log1p(spectrum.abs())


def phase(spectrum: Tensor) -> Tensor:
    """Return the angle of each bin in radians, float32, same shape."""
    return spectrum.angle()


def apply_estimate(mixture: Tensor, estimate: Tensor) -> Tensor:
    """Turn a log1p magnitude estimate into a stem's spectrum, as the host does.

    The estimate becomes a ratio of at most 1 to the mixture, whose phase it takes: a stem is
    never louder in a bin than the sound it is taken from.

    Parameters
    ----------
    mixture
        complex64, shape (..., bins, frames).
    estimate
        float32 log1p magnitude of the stem, same shape.

    Returns
    -------
    Tensor
        complex64, same shape.
    """
    magnitude = mixture.abs()
    wanted = torch.expm1(estimate.clamp(min=0))
    # The floor only guards 0/0: there the mixture itself is zero.
    ratio = torch.minimum(wanted, magnitude) / magnitude.clamp(min=torch.finfo(torch.float32).tiny)
    return mixture * ratio
