"""Engines for graphs over a whole window: live and right-aligned, or offline and overlapped."""

from __future__ import annotations

import numpy as np

from streamsep.separation.backend import Backend
from streamsep.separation.engine import SpectralEngine
from streamsep.separation.pace import Pace


class SlidingSeparator(SpectralEngine):
    """Recomputes the newest window every few frames and uses its newest trustworthy ones.

    The window is past context, never output delay. The newest frame sits as far right in the
    window as lets the used frames start at a multiple of ``stride_frames``: a strided network
    gives the same answer only at such shifts. Frames to its right stay empty; the used ones
    don't see them. Neighbouring runs overlap-add in the synthesis STFT, which cross-fades their
    seam over n_fft - hop_length samples.

    Parameters
    ----------
    backend
        Holds the graph.
    stride_blocks
        Strides of the model per run.
    pace
        Stride and trim in frames instead.

    Raises
    ------
    ValueError
        If the window is too short for so many frames.
    """

    def __init__(
        self, backend: Backend, *, stride_blocks: int = 1, pace: Pace | None = None
    ) -> None:
        spec = backend.spec
        stride = pace.stride_frames if pace else stride_blocks * spec.stride_frames
        lag = pace.trim_frames if pace else spec.lag_frames
        self.pace = pace
        super().__init__(backend, stride, lag_frames=lag)
        lookahead = lag + spec.stride_frames - 1
        last_start = (spec.frames_per_run - 1 - lookahead) // spec.stride_frames
        # One past the newest frame, and one past the newest used estimate.
        self._end = last_start * spec.stride_frames + lookahead + 1
        self._used_end = self._end - lag
        if stride < 1 or self._used_end < stride:
            raise ValueError(f"{stride} frames a run don't fit a window of {spec.frames_per_run}")

    def _run(self) -> None:
        features, stride, end = self._backend.features, self._stride, self._end
        features[..., : end - stride] = features[..., stride:end]
        features[..., end - stride : end] = self._features
        self._backend.run()
        self._estimate[...] = self._backend.estimate[..., self._used_end - stride : self._used_end]


class OverlappedSeparator(SpectralEngine):
    """Runs each window once, a quarter of it overlapping the next, and weighs both by Hann.

    For graphs that want context on both sides of a frame: the way MDX-Net is run over files. The
    weights are a Hann window over the frames of a graph's window, divided by their sum.

    Parameters
    ----------
    backend
        Holds the graph.
    """

    def __init__(self, backend: Backend) -> None:
        frames = backend.spec.frames_per_run
        self._overlap = max(1, frames // 4)
        super().__init__(backend, frames - self._overlap, lag_frames=self._overlap)
        hann = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) ** 2
        rise, fall = hann[: self._overlap], hann[-self._overlap :]
        self._rise = (rise / (rise + fall)).astype(np.float32)
        self._tail = np.zeros((*backend.spec.estimate_shape[:-1], self._overlap), np.float32)

    def _run(self) -> None:
        features, stride, overlap = self._backend.features, self._stride, self._overlap
        features[..., :overlap] = features[..., stride:]
        features[..., overlap:] = self._features
        self._backend.run()
        estimate = self._backend.estimate
        self._estimate[...] = estimate[..., :stride]
        head = self._estimate[..., :overlap]
        head -= self._tail
        head *= self._rise
        head += self._tail
        self._tail[...] = estimate[..., stride:]

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self._tail.fill(0.0)
