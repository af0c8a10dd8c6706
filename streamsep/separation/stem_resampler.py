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
        # What no stems have come for yet; positions only grow, each written by one thread.
        self._waiting: deque[Float32] = deque()
        self._noted = self._taken = 0

    def note(self, chunk: Float32) -> None:
        """Keep (C, n) of the input, by reference; may be another thread than `process`'s."""
        self._waiting.append(chunk)
        self._noted += chunk.shape[-1]

    def process(self, stems: Float32, *, last: bool = False) -> Float32:
        """Take a model's stems (S, C of the model, m) and return (S, C, n) of the input's rate.

        In all n is what was noted, once ``last`` has brought out the rest. The array is new.
        """
        # Before the conversion: of mono only one channel is resampled.
        matched = np.stack([match_channels(stem, self._channels) for stem in stems[:-1]])
        flat = self._resampler.process(
            matched.reshape(self._estimated * self._channels, -1), last=last
        )
        if last:  # rounding there and back may have cost a sample
            missing = max(self._noted - self._taken - flat.shape[-1], 0)
            flat = np.pad(flat, ((0, 0), (0, missing)))
        count = min(flat.shape[-1], self._noted - self._taken)
        out = np.empty((self._estimated + 1, self._channels, count), np.float32)
        out[:-1] = flat[:, :count].reshape(self._estimated, self._channels, count)
        residual = out[-1]
        self._take(residual)
        for stem in out[:-1]:
            np.subtract(residual, stem, out=residual)
        return out

    def _take(self, out: Float32) -> None:
        """Move the oldest of the input that waits to ``out`` (C, n)."""
        filled, size = 0, out.shape[-1]
        while filled < size:
            oldest = self._waiting.popleft()
            part = oldest[:, : size - filled]
            out[:, filled : filled + part.shape[-1]] = part
            filled += part.shape[-1]
            if part.shape[-1] < oldest.shape[-1]:
                self._waiting.appendleft(oldest[:, part.shape[-1] :])
        self._taken += size
