"""A stream of blocks that fades out before it stops, and in when it goes on."""

from __future__ import annotations

import math

import numpy as np

from streamsep.dsp.mixer import RAMP_SAMPLES
from streamsep.types import Float32


class BlockFade:
    """Fades over whole blocks, so that what was faded out is heard, and nothing is heard twice.

    Parameters
    ----------
    shape
        (S, C, N) of a block's stems.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        size = shape[-1]
        self._blocks = self._level = math.ceil(RAMP_SAMPLES / size)
        # As large as what it is multiplied with: for operands of fewer axes numpy makes a copy.
        self._rise = np.zeros(shape, np.float32)
        self._rise += (np.arange(1, size + 1) / (size * self._blocks)).astype(np.float32)
        self._gain = np.zeros(shape, np.float32)

    def process(self, out: bool, stems: Float32 | None, dry: Float32) -> bool:
        """Fade a block in place, and say whether that was the last of a fade out.

        Parameters
        ----------
        out
            Whether to fade out, or in; where that is done already, nothing is touched.
        stems, dry
            (S, C, N), if they are there, and (C, N).
        """
        step = -1 if out and self._level else 1  # what hasn't begun to be heard does so first
        if not out and self._level == self._blocks:
            return False
        np.multiply(self._rise, step, out=self._gain)
        np.add(self._gain, self._level / self._blocks, out=self._gain)
        for sound, gain in ((stems, self._gain), (dry, self._gain[0])):
            if sound is not None:
                np.multiply(sound, gain, out=sound)
        self._level += step
        return self._level == 0
