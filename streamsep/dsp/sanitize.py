"""Keep NaN, Inf and absurd levels out: one bad sample would live on in recurrent states."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32

# +60 dB over full scale: no music gets there, and squared spectra still fit float32.
MAX_AMPLITUDE = 1_000.0


class Sanitizer:
    """Replaces samples that are no sound (NaN, Inf, absurdly loud) by silence, in place.

    Parameters
    ----------
    shape
        Shape of every array that will come.
    limit
        Largest amplitude that is sound.
    """

    def __init__(self, shape: tuple[int, ...], limit: float = MAX_AMPLITUDE) -> None:
        self._limit = np.float32(limit)
        self._level = np.zeros(shape, np.float32)
        self._bad = np.zeros(shape, np.bool_)

    def clean(self, samples: Float32) -> int:
        """Mend ``samples`` in place and return how many were none."""
        # What is right, nearly always, takes two passes; NaN compares false.
        if samples.min() >= -self._limit and samples.max() <= self._limit:
            return 0
        np.abs(samples, out=self._level)
        np.less_equal(self._level, self._limit, out=self._bad)
        np.logical_not(self._bad, out=self._bad)
        np.copyto(samples, np.float32(0.0), where=self._bad)
        return int(np.count_nonzero(self._bad))


def is_sound(sound: Float32) -> bool:
    """Say whether there is no NaN, Inf or absurd level; NaN compares false."""
    return not sound.size or bool(sound.min() >= -MAX_AMPLITUDE and sound.max() <= MAX_AMPLITUDE)


def count_bad(sound: Float32) -> int:
    """Return how many samples are NaN, Inf or absurdly loud."""
    return 0 if is_sound(sound) else int(np.count_nonzero(~(np.abs(sound) <= MAX_AMPLITUDE)))


def sound_alone(sound: Float32) -> Float32:
    """Return the sound, with silence where it is none."""
    if is_sound(sound):
        return sound
    return np.where(np.abs(sound) <= MAX_AMPLITUDE, sound, np.float32(0.0))
