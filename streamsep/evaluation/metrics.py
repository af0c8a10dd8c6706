"""How good a separation is."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32

# Of either energy, as in the challenge's own code; it keeps silence against silence at 0 dB.
USDR_FLOOR = 1e-7


def song_usdr(reference: Float32, estimate: Float32) -> float:
    """Return the utterance-level signal-to-distortion ratio in dB.

    10·log10((Σs² + ε) / (Σ(s − ŝ)² + ε)) over all channels and samples of a song, ε being
    USDR_FLOOR: the "new SDR" of the Music Demixing Challenge 2021 (Mitsufuji et al. 2022, eq. 1),
    no filtering, no framing.

    Parameters
    ----------
    reference, estimate
        (C, N) float32 of equal shape.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {estimate.shape}")
    signal = float(np.sum(reference.astype(np.float64) ** 2))
    error = float(np.sum((reference.astype(np.float64) - estimate) ** 2))
    return 10.0 * float(np.log10((signal + USDR_FLOOR) / (error + USDR_FLOOR)))
