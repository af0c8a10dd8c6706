"""The centred STFT and its inverse in torch, with the windows of the host.

Equal to ``librosa.stft(..., pad_mode="constant")`` to float precision; tests hold it there.

References
----------
.. [1] Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984:
   the window-square-sum division that ``istft`` performs, i.e. synthesis by the canonical dual.
"""

from __future__ import annotations

import torch
from torch import Tensor

from export.constants import HOP_LENGTH, N_FFT
from streamsep.dsp.stft import analysis_window


def make_window(name: str, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH) -> Tensor:
    """Return an analysis window, as the host's.

    Parameters
    ----------
    name, n_fft, hop_length
        As of `streamsep.dsp.stft.analysis_window`.

    Returns
    -------
    Tensor
        float32, shape (n_fft,).

    Raises
    ------
    ValueError
        For an unknown name.
    """
    return torch.from_numpy(analysis_window(name, n_fft, hop_length))


def stft(wave: Tensor, window: Tensor, hop_length: int = HOP_LENGTH) -> Tensor:
    """Centred short-time Fourier transform, edges padded with zeros.

    Parameters
    ----------
    wave
        float32, shape (..., samples).
    window
        float32, shape (n_fft,).

    Returns
    -------
    Tensor
        complex64, shape (..., n_fft // 2 + 1, 1 + samples // hop_length).
    """
    flat = wave.reshape(-1, wave.shape[-1])
    spectrum = torch.stft(
        flat,
        window.numel(),
        hop_length,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum.reshape(*wave.shape[:-1], *spectrum.shape[-2:])


def istft(spectrum: Tensor, window: Tensor, length: int, hop_length: int = HOP_LENGTH) -> Tensor:
    """Inverse of ``stft`` by weighted overlap-add with the window's canonical dual.

    Parameters
    ----------
    spectrum
        complex64, shape (..., bins, frames).
    length
        Samples to return.

    Returns
    -------
    Tensor
        float32, shape (..., length).
    """
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    wave = torch.istft(flat, window.numel(), hop_length, window=window, center=True, length=length)
    return wave.reshape(*spectrum.shape[:-2], length)
