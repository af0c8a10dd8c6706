"""From a model's stems to stems at the rate and with the channels of what was separated."""

from __future__ import annotations

from collections import deque

import numpy as np

from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32


class StemResampler:
    """Resamples all stems but the residual, and takes that from the input itself.

    So what the model's sample rate can't hold stays in the residual, the stems sum to the input,
    and no time goes into resampling what would be overwritten.

    Parameters
    ----------
    spec
        Of the separator.
    stems
        How many there are, S; the last one is the residual.
    sample_rate, channels
        Of the input, in Hz and C; ``channels`` is at most the model's.
    """

    def __init__(self, spec: SeparatorSpec, stems: int, *, sample_rate: int, channels: int) -> None:
        self._estimated, self._channels = stems - 1, channels
        self._resampler = StreamResampler(spec.sample_rate, sample_rate, self._estimated * channels)
        self._came_in: deque[Float32] = deque()
        self._input = np.zeros((channels, 0), np.float32)  # what no stems have come for yet

    def note(self, chunk: Float32) -> None:
        """Keep (C, n) of the input, by reference; may be another thread than `process`'s."""
        self._came_in.append(chunk)

    def process(self, stems: Float32, *, last: bool = False) -> Float32:
        """Take a model's stems (S, C of the model, m) and return (S, C, n) of the input's rate.

        In all n is what was noted, once ``last`` has brought out the rest. The array is new.
        """
        while self._came_in:
            self._input = np.concatenate([self._input, self._came_in.popleft()], axis=-1)
        # Before the conversion: of mono only one channel is resampled.
        matched = np.stack([match_channels(stem, self._channels) for stem in stems[:-1]])
        flat = self._resampler.process(
            matched.reshape(self._estimated * self._channels, -1), last=last
        )
        if last:  # rounding there and back may have cost a sample
            missing = max(self._input.shape[-1] - flat.shape[-1], 0)
            flat = np.pad(flat, ((0, 0), (0, missing)))
        count = min(flat.shape[-1], self._input.shape[-1])
        out = np.empty((self._estimated + 1, self._channels, count), np.float32)
        out[:-1] = flat[:, :count].reshape(self._estimated, self._channels, count)
        residual = out[-1]
        np.copyto(residual, self._input[:, :count])
        for stem in out[:-1]:
            np.subtract(residual, stem, out=residual)
        self._input = self._input[:, count:]
        return out
