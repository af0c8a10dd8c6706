"""One voice out of a microphone's channels: at its whole level, whichever it is on."""

from __future__ import annotations

import math

import numpy as np

from streamsep.types import Float32

AUTO, MIX, LEFT, RIGHT = "auto", "mix", "left", "right"
NUMBERS = {LEFT: 1, RIGHT: 2}
MOST = 32
# A channel that is so much quieter than the loudest, over so long, holds no voice of its own.
QUIETER, MEMORY_S = 1e-3, 1.0
SILENCE = 1e-9  # in power: nothing can be told from less
FADE_S = 0.01


def channel_number(choice: str) -> int | None:
    """Return which channel a choice means, from 1; None for `AUTO` and `MIX`.

    Raises
    ------
    ValueError
        If it means none.
    """
    if choice in (AUTO, MIX):
        return None
    number = NUMBERS.get(choice) or int(choice)
    if not 1 <= number <= MOST:
        raise ValueError(choice)
    return number


class VoiceChannel:
    """Makes one channel of several.

    The average of two of which one is silent would be half as loud. So `AUTO` averages those that
    hold sound, as heard over MEMORY_S, and changes between them without a click.

    Parameters
    ----------
    channels
        C of what comes.
    sample_rate
        In Hz.
    choice
        `AUTO`, `MIX` for the average of all, `LEFT`, `RIGHT` or a number from 1.
    """

    def __init__(self, channels: int, sample_rate: int, choice: str = AUTO) -> None:
        self._rate, self._auto = sample_rate, choice == AUTO
        number = channel_number(choice)
        self._weights = np.full(channels, 1.0 / channels, np.float32)
        if number is not None:
            self._weights[:] = 0.0
            self._weights[min(number, channels) - 1] = 1.0
        self._power = np.zeros(channels)

    def process(self, sound: Float32) -> Float32:
        """Return (C, N) as (1, N)."""
        if len(sound) == 1 or not sound.shape[-1]:
            return sound[:1]
        before, after = self._weights, self._wanted(sound) if self._auto else self._weights
        if np.array_equal(before, after):
            return self._sum(sound, before[:, None])
        most = sound.shape[-1] / (FADE_S * self._rate)
        self._weights = (before + np.clip(after - before, -most, most)).astype(np.float32)
        rise = np.arange(1, sound.shape[-1] + 1, dtype=np.float32) / sound.shape[-1]
        change = self._weights - before
        return self._sum(sound, before[:, None] + change[:, None] * rise)

    def _wanted(self, sound: Float32) -> Float32:
        now = np.mean(np.square(sound), axis=-1)
        forgotten = math.exp(-sound.shape[-1] / (MEMORY_S * self._rate))
        self._power = np.maximum(self._power * forgotten, now)
        loudest = self._power.max()
        if loudest < SILENCE:
            return self._weights
        heard = self._power > QUIETER * loudest
        wanted: Float32 = (heard / np.count_nonzero(heard)).astype(np.float32)
        return wanted

    def _sum(self, sound: Float32, weights: Float32) -> Float32:
        total: Float32 = np.sum(sound * weights, axis=0, keepdims=True, dtype=np.float32)
        return total
