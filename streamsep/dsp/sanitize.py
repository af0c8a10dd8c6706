"""Keep NaN, Inf and absurd levels out: one bad sample would live on in recurrent states."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32

# +60 dB over full scale: no music gets there, and squared spectra still fit float32.
MAX_AMPLITUDE = 1_000.0


class Sanitizer:
    """Replaces non-finite samples by silence and bounds the rest, in place.

    Parameters
    ----------
    shape
        Shape of every array that will come.
    limit
        Largest amplitude that may stay.
    """

    def __init__(self, shape: tuple[int, ...], limit: float = MAX_AMPLITUDE) -> None:
        self._limit = np.float32(limit)
        self._finite = np.zeros(shape, np.bool_)

    def clean(self, samples: Float32) -> int:
        """Mend ``samples`` in place and return how many were NaN or Inf."""
        # What is right, nearly always, takes two passes; NaN compares false.
        if samples.min() >= -self._limit and samples.max() <= self._limit:
            return 0
        np.isfinite(samples, out=self._finite)
        bad = int(self._finite.size - np.count_nonzero(self._finite))
        np.logical_not(self._finite, out=self._finite)
        np.copyto(samples, np.float32(0.0), where=self._finite)
        np.clip(samples, -self._limit, self._limit, out=samples)
        return bad
