"""Choosing between the separated (wet) and the delayed original (dry) signal without clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class DryWetSwitch:
    """Fades over one block whenever the choice changes; otherwise copies nothing.

    Parameters
    ----------
    channels, block_size
        Sizes C, N of every block.
    """

    def __init__(self, channels: int, block_size: int) -> None:
        self._rise = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        self._fall = np.float32(1.0) - self._rise
        self._out = np.zeros((channels, block_size), np.float32)
        self._part = np.zeros((channels, block_size), np.float32)
        self._step = np.zeros((channels, 1), np.float32)  # last wet sample minus last dry one
        self._was_wet = True

    def choose(self, wet: Float32 | None, dry: Float32, *, bypass: bool) -> Float32:
        """Return the block to play, (C, N): ``wet``, ``dry`` or a fade between them.

        Parameters
        ----------
        wet
            (C, N), or None where it was missed.
        dry
            (C, N) of the same moment.
        bypass
            Play dry although there is wet.
        """
        go_wet = wet is not None and not bypass
        if wet is None:
            out = self._leave_the_last_sample(dry) if self._was_wet else dry
        elif go_wet == self._was_wet:
            out = wet if go_wet else dry
        else:
            out = self._fade(wet, dry) if bypass else self._fade(dry, wet)
        self._was_wet = go_wet
        np.subtract(out[:, -1:], dry[:, -1:], out=self._step)
        return out

    def _fade(self, old: Float32, new: Float32) -> Float32:
        np.multiply(new, self._rise, out=self._out)
        np.multiply(old, self._fall, out=self._part)
        return np.add(self._out, self._part, out=self._out)

    def _leave_the_last_sample(self, dry: Float32) -> Float32:
        """Fade where there is no wet to fade from: let the step at the seam die away."""
        np.multiply(self._step, self._fall, out=self._out)
        return np.add(self._out, dry, out=self._out)
