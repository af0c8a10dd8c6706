"""A chain of pedalboard's effects as one stream processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamsep.effects.extra import pedalboard
from streamsep.types import Float32


class Board:
    """Runs plugins one after the other over a stream; each keeps its state between blocks.

    pedalboard takes Python's lock back and allocates its result in every call, so this belongs
    on a thread whose lateness the beat doesn't hear: a microphone's or the inference thread's.

    Parameters
    ----------
    plugins
        pedalboard plugins, in order.
    sample_rate
        In Hz.
    """

    def __init__(self, plugins: Sequence[Any], sample_rate: int) -> None:
        self._board = pedalboard().Pedalboard(list(plugins))
        self._rate = sample_rate

    def __call__(self, sound: Float32) -> Float32:
        """Process (C, N) and return as much; where a plugin holds sound back, silence leads."""
        count = sound.shape[-1]
        done: Float32 = self._board.process(
            sound, self._rate, buffer_size=max(count, 1), reset=False
        )
        if done.shape[-1] < count:
            return np.pad(done, ((0, 0), (count - done.shape[-1], 0)))
        return done

    def settle(self, channels: int, block_size: int) -> int:
        """Feed a second of silence in blocks; return how many samples plugins hold back."""
        silence, held = np.zeros((channels, block_size), np.float32), 0
        self.reset()  # a plugin that was tried out when it was loaded holds nothing back any more
        for _ in range(-(-self._rate // block_size)):
            done = self._board.process(silence, self._rate, buffer_size=block_size, reset=False)
            held += block_size - done.shape[-1]
        self.reset()
        return held

    def reset(self) -> None:
        """Forget all that was heard."""
        self._board.reset()
