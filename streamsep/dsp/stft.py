"""Streaming short-time Fourier transform with perfect reconstruction, hop by hop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


def analysis_window(name: str, n_fft: int) -> Float32:
    """Return the periodic analysis window.

    Parameters
    ----------
    name
        ``"hann"`` or ``"sqrt_hann"``.
    n_fft
        Length in samples.

    Returns
    -------
    (n_fft,) float32

    Raises
    ------
    ValueError
        For an unknown name.
    """
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    if name == "hann":
        return hann.astype(np.float32)
    if name == "sqrt_hann":
        return np.sqrt(hann).astype(np.float32)
    raise ValueError(f"unknown window {name!r}")


def dual_window(window: Float32, hop_length: int) -> Float32:
    """Return the canonical dual: the synthesis window that makes overlap-add exact.

    The analysis window divided by the sum of its own squares over all hop shifts (Griffin and
    Lim 1984, eq. 6). For a square-root Hann window at half overlap the sum is 1 and the dual is
    the window itself; for Hann it is the window-sum-square division that batch code does.

    Parameters
    ----------
    window
        (n_fft,) analysis window.

    Returns
    -------
    (n_fft,) float32
    """
    hops = -(-len(window) // hop_length)
    squares = np.zeros(hops * hop_length)
    squares[: len(window)] = window.astype(np.float64) ** 2
    sums = np.tile(squares.reshape(hops, hop_length).sum(axis=0), hops)
    dual: Float32 = (window / sums[: len(window)]).astype(np.float32)
    return dual


class StreamingSTFT:
    """Analysis and synthesis for one stream, one hop at a time, without allocation.

    Analysis frame q (counted from 1) covers input samples [q·hop − n_fft, q·hop), zeros before
    the start: librosa's centred frame q − 1 for ``n_fft == 2 * hop_length`` and zero padding.
    Synthesis of that frame completes samples [(q−1)·hop − n_fft + hop, q·hop − n_fft + hop), so
    the pair delays by ``n_fft - hop_length`` samples.

    Parameters
    ----------
    n_fft, hop_length
        Sizes in samples, hop_length at most half of n_fft.
    channels
        Channels in, C.
    stems
        Stems out, S: synthesis keeps one overlap-add buffer per stem and channel.
    window
        Name of the analysis window, see `analysis_window`.
    """

    def __init__(
        self, n_fft: int, hop_length: int, channels: int, *, stems: int = 1, window: str
    ) -> None:
        self.n_fft, self.hop_length = n_fft, hop_length
        self._analysis = analysis_window(window, n_fft)
        self._synthesis = dual_window(self._analysis, hop_length)
        self._input = np.zeros((channels, n_fft), np.float32)
        self._windowed = np.zeros((channels, n_fft), np.float32)
        self._overlap = np.zeros((stems, channels, n_fft), np.float32)
        self._frame = np.zeros((stems, channels, n_fft), np.float32)

    @property
    def delay(self) -> int:
        """Samples from a sample's arrival to its reconstruction."""
        return self.n_fft - self.hop_length

    def analyse(self, hop: Float32, out: Complex64) -> None:
        """Take the next hop in and write the spectrum of the newest n_fft samples.

        Parameters
        ----------
        hop
            (C, hop_length) float32.
        out
            (C, n_fft // 2 + 1) complex64, overwritten.
        """
        self._input[:, : -self.hop_length] = self._input[:, self.hop_length :]
        self._input[:, -self.hop_length :] = hop
        np.multiply(self._input, self._analysis, out=self._windowed)
        np.fft.rfft(self._windowed, axis=-1, out=out)  # type: ignore[arg-type]  # stubs: float64 only

    def synthesise(self, spectrum: Complex64, out: Float32) -> None:
        """Overlap-add one frame and write the hop that it completes.

        Parameters
        ----------
        spectrum
            (S, C, n_fft // 2 + 1) complex64.
        out
            (S, C, hop_length) float32, overwritten.
        """
        np.fft.irfft(spectrum, n=self.n_fft, axis=-1, out=self._frame)  # type: ignore[arg-type]
        np.multiply(self._frame, self._synthesis, out=self._frame)
        np.add(self._overlap, self._frame, out=self._overlap)
        out[...] = self._overlap[..., : self.hop_length]
        self._overlap[..., : -self.hop_length] = self._overlap[..., self.hop_length :]
        self._overlap[..., -self.hop_length :] = 0.0

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._input.fill(0.0)
        self._overlap.fill(0.0)
