"""Engine for graphs over a whole window: the window is past context, never output delay."""

from __future__ import annotations

from streamsep.separation.backend import Backend
from streamsep.separation.engine import SpectralEngine


class SlidingSeparator(SpectralEngine):
    """Recomputes the newest window every few frames and uses its newest trustworthy ones.

    The newest frame sits as far right in the window as lets the used frames start at a multiple
    of ``stride_frames``: a strided network gives the same answer only at such shifts. Frames to
    its right stay empty; the used ones don't see them. Neighbouring runs overlap-add in the
    synthesis STFT, which cross-fades their seam over one hop.

    Parameters
    ----------
    backend
        Holds the graph.
    stride_blocks
        Strides of the model per run.

    Raises
    ------
    ValueError
        If the window is too short for so many strides.
    """

    def __init__(self, backend: Backend, *, stride_blocks: int = 1) -> None:
        spec = backend.spec
        stride = stride_blocks * spec.stride_frames
        super().__init__(backend, stride)
        last_start = (spec.frames_per_run - 1 - spec.lookahead_frames) // spec.stride_frames
        # One past the newest frame, and one past the newest used estimate.
        self._end = last_start * spec.stride_frames + spec.lookahead_frames + 1
        self._used_end = self._end - spec.lag_frames
        if stride_blocks < 1 or self._used_end < stride:
            raise ValueError(f"{stride} frames a run don't fit a window of {spec.frames_per_run}")

    def _run(self) -> None:
        features, stride, end = self._backend.features, self._stride, self._end
        features[..., : end - stride] = features[..., stride:end]
        features[..., end - stride : end] = self._features
        self._backend.run()
        self._estimate[...] = self._backend.estimate[
            ..., self._used_end - stride : self._used_end
        ]
