"""Streaming sample-rate conversion by soxr."""

from __future__ import annotations

from typing import cast

import numpy as np
import soxr

from streamsep.types import Float32


class StreamResampler:
    """Converts a stream chunk by chunk; a pass-through when the rates are equal.

    Parameters
    ----------
    source_rate, target_rate
        Sample rates in Hz.
    channels
        Channels, C.
    quality
        soxr's name for it.

    Attributes
    ----------
    held_s
        Seconds of what came that haven't come out yet.
    """

    def __init__(
        self, source_rate: int, target_rate: int, channels: int, *, quality: str = "HQ"
    ) -> None:
        self.source_rate, self.target_rate, self.channels = source_rate, target_rate, channels
        self.held_s = 0.0
        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(
                source_rate, target_rate, channels, dtype="float32", quality=quality
            )
        )

    def process(self, chunk: Float32, *, last: bool = False) -> Float32:
        """Convert (C, N) and return (C, M); M varies, and ``last`` brings out the rest."""
        if self._stream is None:
            return chunk
        frames = self._stream.resample_chunk(np.ascontiguousarray(chunk.T), last=last)
        self.held_s += chunk.shape[1] / self.source_rate - len(frames) / self.target_rate
        return cast(Float32, frames.T)
