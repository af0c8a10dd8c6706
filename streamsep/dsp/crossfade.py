"""From what was separated to the delayed original and back, where a block was missed: no clicks."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32


class DryWetSwitch:
    """Fades over one block whenever separated (wet) sound stops or returns; else copies nothing.

    Parameters
    ----------
    shape
        Shape of every block, samples last: (C, N) or (S, C, N).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = shape[-1]
        # As large as what they are multiplied with: for operands of fewer axes numpy makes a copy.
        rise = (np.arange(1, size + 1) / size).astype(np.float32)
        self._rise = np.zeros(shape, np.float32) + rise
        self._fall = np.float32(1.0) - self._rise
        self._out = np.zeros(shape, np.float32)
        self._part = np.zeros(shape, np.float32)
        # Last wet sample minus last dry one.
        self._step = np.zeros((*shape[:-1], 1), np.float32)
        self._was_wet = True

    def choose(self, wet: Float32 | None, dry: Float32) -> Float32:
        """Return the block to play: ``wet``, ``dry`` or a fade between them.

        Parameters
        ----------
        wet
            Of the given shape, or None where it was missed.
        dry
            The same moment of what stands in for it.
        """
        if wet is None:
            out = self._leave_the_last_sample(dry) if self._was_wet else dry
        else:
            out = wet if self._was_wet else self._fade(dry, wet)
        self._was_wet = wet is not None
        np.subtract(out[..., -1:], dry[..., -1:], out=self._step)
        return out

    def _fade(self, old: Float32, new: Float32) -> Float32:
        np.multiply(new, self._rise, out=self._out)
        np.multiply(old, self._fall, out=self._part)
        return np.add(self._out, self._part, out=self._out)

    def _leave_the_last_sample(self, dry: Float32) -> Float32:
        """Fade where there is no wet to fade from: let the step at the seam die away."""
        np.copyto(self._out, self._step)
        np.multiply(self._out, self._fall, out=self._out)
        return np.add(self._out, dry, out=self._out)
