"""The effects of one voice while it sings: a preset that can be changed, then plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamsep.effects.voice import voice_board
from streamsep.types import Float32

FADE_S = 0.05  # of what goes into one preset and the next: no click, nor one in an echo
TAIL_S = 1.0  # in which the echo of the one before dies away

Effect = Callable[[Float32], Float32]


class VoiceChain:
    """Runs a preset's effects and further plugins over a stream.

    Parameters
    ----------
    preset
        One of `streamsep.effects.voice.VOICE_EFFECTS`.
    sample_rate
        In Hz.
    more
        Plugins that follow, and stay when the preset changes.
    say
        Told, on the thread that calls, what is wrong with the plugins.

    Raises
    ------
    EffectError
        If the extra that effects need is missing.
    """

    def __init__(
        self,
        preset: str,
        sample_rate: int,
        *more: Any,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._rate, self._say = sample_rate, say
        self._after = voice_board("off", sample_rate, *more, say=say)
        self._board: Effect = voice_board(preset, sample_rate, say=say) or _nothing
        self._wanted: Effect = self._board
        self._before: Effect = self._board
        self._faded = 0
        self._fade, self._tail = (max(1, round(s * sample_rate)) for s in (FADE_S, TAIL_S))
        self.preset = preset

    def choose(self, preset: str) -> None:
        """Change over to another preset, from any thread but the audio thread.

        Raises
        ------
        EffectError
            If the extra that effects need is missing; all stays as it was.
        """
        self._wanted = voice_board(preset, self._rate, say=self._say) or _nothing
        self.preset = preset

    def settle(self, channels: int, block_size: int) -> int:
        """Return how many samples the further plugins hold back; see `Board.settle`."""
        return self._after.settle(channels, block_size) if self._after is not None else 0

    def __call__(self, sound: Float32) -> Float32:
        """Process (C, N) and return as much."""
        wanted = self._wanted
        if wanted is not self._board and self._before is self._board:
            self._before, self._board, self._faded = self._board, wanted, 0
        fading = self._before is not self._board
        done = self._crossfaded(sound) if fading else self._board(sound)
        return done if self._after is None else self._after(done)

    def _crossfaded(self, sound: Float32) -> Float32:
        since = self._faded + np.arange(1, sound.shape[-1] + 1)
        share: Float32 = np.minimum(since / self._fade, 1.0).astype(np.float32)
        left: Float32 = np.maximum(1.0 - since / self._tail, 0.0).astype(np.float32)
        before, after = self._before((1 - share) * sound), self._board(share * sound)
        done: Float32 = left * before + after
        self._faded += sound.shape[-1]
        if self._faded >= self._tail:
            self._before = self._board
        return done


def _nothing(sound: Float32) -> Float32:
    return sound
