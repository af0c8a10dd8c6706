"""The live engine for graphs over a whole window, whose newest frames are used."""

from __future__ import annotations

from typing import ClassVar

from streamsep.separation.backend import Backend
from streamsep.separation.mirrored_end import mirror_end, mirrored_frames
from streamsep.separation.schedule import RunSchedule
from streamsep.separation.spectral_engine import SpectralEngine


class SlidingSeparator(SpectralEngine):
    """Recomputes the newest window every few frames and uses its newest trustworthy ones.

    The window is past context, never output delay. The newest frame sits as far right in the
    window as lets the used frames start at a multiple of ``stride_frames``: a strided network
    gives the same answer only at such shifts. Frames to its right stay empty, and the used ones
    don't see them; in windows of any length they mirror the newest ones. Neighbouring runs
    overlap-add in the synthesis STFT, which cross-fades their seam over n_fft - hop_length samples.

    Parameters
    ----------
    backend
        Holds the graph.
    stride_blocks
        Strides of the model per run.
    schedule
        Stride and trim in frames instead.

    Raises
    ------
    ValueError
        If the window is too short for so many frames.
    """

    _kept: ClassVar[tuple[str, ...]] = (*SpectralEngine._kept, "_window")

    def __init__(
        self, backend: Backend, *, stride_blocks: int = 1, schedule: RunSchedule | None = None
    ) -> None:
        spec = backend.spec
        stride = schedule.stride_frames if schedule else stride_blocks * spec.stride_frames
        lag = schedule.trim_frames if schedule else spec.lag_frames
        self.schedule = schedule
        self.slack = schedule.slack if schedule else 0
        super().__init__(backend, stride, lag_frames=lag)
        lookahead = lag + spec.stride_frames - 1
        room = spec.frames_per_run - mirrored_frames(spec)
        last_start = (room - 1 - lookahead) // spec.stride_frames
        # One past the newest frame, and one past the newest used estimate.
        self._end = last_start * spec.stride_frames + lookahead + 1
        self._used_end = self._end - lag
        self._window = backend.features
        if self._wiener is None:  # which has heard all
            self.memory = (self._lag + self._end) * spec.hop_length + 2 * spec.n_fft
        if stride < 1 or self._used_end < stride:
            raise ValueError(f"{stride} frames a run don't fit a window of {spec.frames_per_run}")

    def _run(self) -> None:
        features, stride, end = self._backend.features, self._stride, self._end
        features[..., : end - stride] = features[..., stride:end]
        features[..., end - stride : end] = self._features
        if self._backend.spec.any_frames:
            mirror_end(features, end)
        self._backend.run()
        self._estimate[...] = self._backend.estimate[..., self._used_end - stride : self._used_end]
