"""Streaming short-time Fourier transform with perfect reconstruction, hop by hop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.delay import end_to_front

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
    """Analysis and synthesis for one stream, block by block, without allocation.

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
    frames
        Frames a call, T.
    """

    def __init__(
        self, n_fft: int, hop_length: int, channels: int, *, stems: int = 1, window: str,
        frames: int = 1,
    ) -> None:  # fmt: skip
        self.n_fft, self.hop_length = n_fft, hop_length
        analysis = analysis_window(window, n_fft)
        synthesis = dual_window(analysis, hop_length)
        # numpy transforms float32 in float64, five times slower, unless a factor of float32
        # stands before the sum: "forward" has 1/n_fft there, which the window takes back.
        size = self.delay + frames * hop_length
        self._input = np.zeros((channels, size), np.float32)
        shifts = np.lib.stride_tricks.sliding_window_view(self._input, n_fft, axis=1)
        self._framed = shifts[:, ::hop_length].transpose(1, 0, 2)  # (T, C, n_fft), a view
        self._windowed = np.zeros((frames, channels, n_fft), np.float32)
        # As large as what they are multiplied with: for operands of fewer axes numpy makes a copy.
        self._analysis = np.zeros_like(self._windowed) + analysis * np.float32(n_fft)
        self._overlap = np.zeros((stems, channels, size), np.float32)
        starts = range(0, frames * hop_length, hop_length)
        self._parts = [self._overlap[..., start : start + n_fft] for start in starts]
        self._done = self._overlap[..., : frames * hop_length]
        self._rest = self._overlap[..., self.delay :]
        self._frame = np.zeros((frames, stems, channels, n_fft), np.float32)
        self._synthesis = np.zeros_like(self._frame) + synthesis
        self._newest = self._input[:, self.delay :]
        self._moves_in = end_to_front(self._input, self.delay)
        self._moves_out = end_to_front(self._overlap, self.delay)

    @property
    def delay(self) -> int:
        """Samples from a sample's arrival to its reconstruction."""
        return self.n_fft - self.hop_length

    def analyse(self, block: Float32, out: Complex64) -> None:
        """Take the next hops in and write the spectra of the frames that they complete.

        Parameters
        ----------
        block
            (C, T · hop_length) float32.
        out
            (T, C, n_fft // 2 + 1) complex64, overwritten.
        """
        for front, end in self._moves_in:
            np.copyto(front, end)
        np.copyto(self._newest, block)
        np.copyto(self._windowed, self._framed)
        np.multiply(self._windowed, self._analysis, out=self._windowed)
        np.fft.rfft(self._windowed, axis=-1, norm="forward", out=out)  # type: ignore[arg-type]  # stubs: float64 only

    def synthesise(self, spectra: Complex64, out: Float32) -> None:
        """Overlap-add frames and write the hops that they complete.

        Parameters
        ----------
        spectra
            (T, S, C, n_fft // 2 + 1) complex64.
        out
            (S, C, T · hop_length) float32, overwritten.
        """
        np.fft.irfft(spectra, n=self.n_fft, axis=-1, out=self._frame)  # type: ignore[arg-type]
        np.multiply(self._frame, self._synthesis, out=self._frame)
        for part, frame in zip(self._parts, self._frame, strict=True):
            np.add(part, frame, out=part)
        np.copyto(out, self._done)
        for front, end in self._moves_out:
            np.copyto(front, end)
        self._rest.fill(0.0)

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._input.fill(0.0)
        self._overlap.fill(0.0)
