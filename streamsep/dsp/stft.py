"""Streaming short-time Fourier transform with perfect reconstruction, hop by hop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.delay import end_to_front
from streamsep.dsp.resumable import Resumable
from streamsep.types import Float32

Complex64 = NDArray[np.complex64]


def analysis_window(name: str, n_fft: int, hop_length: int) -> Float32:
    """Return the analysis window; hann and sqrt_hann are periodic.

    ``"asymmetric"`` rises over all but the last hop and falls over that (Mauler and Martin 2007,
    "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis
    system"): as fine in frequency as a long window, nearly as quick as a short one.

    Parameters
    ----------
    name
        ``"hann"``, ``"sqrt_hann"`` or ``"asymmetric"``.
    n_fft
        Length in samples.
    hop_length
        In samples; what only an asymmetric window depends on.

    Returns
    -------
    (n_fft,) float32

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name == "asymmetric":
        rise, fall = (hann_window(2 * half) for half in (n_fft - hop_length, hop_length))
        hann = np.concatenate([rise[: n_fft - hop_length], fall[hop_length:]])
    else:
        hann = hann_window(n_fft)
    if name == "hann":
        return hann.astype(np.float32)
    if name in ("sqrt_hann", "asymmetric"):
        root: Float32 = np.sqrt(hann).astype(np.float32)
        return root
    raise ValueError(f"unknown window {name!r}")


def hann_window(length: int) -> NDArray[np.float64]:
    """Return a periodic Hann window."""
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    return window


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


def synthesis_window(name: str, n_fft: int, hop_length: int) -> Float32:
    """Return what the end of each frame is multiplied by before frames are added.

    Returns
    -------
    (n_fft,) float32
        The canonical dual; of an asymmetric window (2 · hop_length,): what makes a Hann window of
        it there, so that nothing older is ever needed.
    """
    analysis = analysis_window(name, n_fft, hop_length)
    if name != "asymmetric":
        return dual_window(analysis, hop_length)
    hann, end = hann_window(2 * hop_length), analysis[-2 * hop_length :]
    window = np.divide(hann, end, out=np.zeros_like(hann), where=end > 0)
    return window.astype(np.float32)


class StreamingSTFT(Resumable):
    """Analysis and synthesis for one stream, block by block, without allocation.

    Analysis frame q (counted from 1) covers input samples [q·hop − n_fft, q·hop), zeros before
    the start: librosa's centred frame q − 1 for ``n_fft == 2 * hop_length`` and zero padding.
    Synthesis of that frame completes samples [(q−1)·hop − delay, q·hop − delay), where the delay
    is ``n_fft - hop_length`` samples; of an asymmetric window ``hop_length``.

    Parameters
    ----------
    n_fft, hop_length
        Sizes in samples, hop_length at most half of n_fft.
    channels
        Channels in, C.
    stems
        Stems out, S: synthesis keeps one overlap-add buffer per stem and channel.
    window
        Name of the pair of windows, see `analysis_window`.
    frames
        Frames a call, T.
    """

    _kept = ("_input", "_overlap")

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        channels: int,
        *,
        stems: int = 1,
        window: str,
        frames: int = 1,
    ) -> None:
        self.n_fft, self.hop_length = n_fft, hop_length
        analysis = analysis_window(window, n_fft, hop_length)
        synthesis = synthesis_window(window, n_fft, hop_length)
        reach = len(synthesis)
        self.delay: int = reach - hop_length  # from a sample's arrival to its reconstruction
        # numpy transforms float32 in float64, five times slower, unless a factor of float32
        # stands before the sum: "forward" has 1/n_fft there, which the window takes back.
        news = frames * hop_length
        self._input = np.zeros((channels, n_fft - hop_length + news), np.float32)
        shifts = np.lib.stride_tricks.sliding_window_view(self._input, n_fft, axis=1)
        self._framed = shifts[:, ::hop_length].transpose(1, 0, 2)  # (T, C, n_fft), a view
        self._windowed = np.zeros((frames, channels, n_fft), np.float32)
        # Row by row: numpy would make a copy of an operand of fewer axes.
        self._analysis = analysis * np.float32(n_fft)
        self._windowed_rows = [*self._windowed.reshape(-1, n_fft)]
        self._overlap = np.zeros((stems, channels, self.delay + news), np.float32)
        starts = range(0, news, hop_length)
        self._parts = [
            row[start : start + reach] for start in starts for stem in self._overlap for row in stem
        ]
        self._done, self._rest = self._overlap[..., :news], self._overlap[..., self.delay :]
        self._frame = np.zeros((frames, stems, channels, n_fft), np.float32)
        self._end = self._frame[..., n_fft - reach :]  # a view
        self._synthesis = synthesis
        self._end_rows = [row for of_frame in self._end for stem in of_frame for row in stem]
        self._newest = self._input[:, n_fft - hop_length :]
        self._moves_in = end_to_front(self._input, n_fft - hop_length)
        self._moves_out = end_to_front(self._overlap, self.delay)

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
        for row in self._windowed_rows:
            np.multiply(row, self._analysis, out=row)
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
        for part, row in zip(self._parts, self._end_rows, strict=True):
            np.multiply(row, self._synthesis, out=row)
            np.add(part, row, out=part)
        np.copyto(out, self._done)
        for front, end in self._moves_out:
            np.copyto(front, end)
        self._rest.fill(0.0)

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._input.fill(0.0)
        self._overlap.fill(0.0)
