"""A chain of pedalboard's effects as one stream processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streamsep.dsp.sanitize import is_sound, sound_alone
from streamsep.effects.extra import pedalboard
from streamsep.errors import first_line
from streamsep.types import Float32

SAY_S = 10.0  # between two lines on the same trouble


class Board:
    """Runs plugins one after the other over a stream; each keeps its state between blocks.

    pedalboard takes Python's lock back and allocates its result in every call, so this belongs
    on a thread whose lateness the beat doesn't hear: a microphone's or the inference thread's.

    Plugins are others' code and keep what they heard: one NaN would come out of a reverb for ever.
    So none goes in, a chain that gives any starts anew, and one that fails is left out.

    Parameters
    ----------
    plugins
        pedalboard plugins, in order.
    sample_rate
        In Hz.
    say
        Told, on the thread that calls, what is wrong with the plugins.

    Attributes
    ----------
    restarts
        How often the chain started anew.
    """

    def __init__(
        self,
        plugins: Sequence[Any],
        sample_rate: int,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._board: Any = pedalboard().Pedalboard(list(plugins))
        self._rate, self._say = sample_rate, say
        self._said_at = -SAY_S
        self._failed = False
        self.restarts = 0

    def __call__(self, sound: Float32) -> Float32:
        """Process (C, N) and return as much; where a plugin holds sound back, silence leads."""
        sound = sound_alone(sound)
        if self._failed:
            return sound
        count = sound.shape[-1]
        try:
            done: Float32 = self._board.process(
                sound, self._rate, buffer_size=max(count, 1), reset=False
            )
            if not is_sound(done):
                self._start_anew()
                return np.zeros_like(sound)
        except Exception as error:  # of others' code: anything may come
            self._failed = True
            self._say(f"effects have failed ({first_line(error)}): the sound goes on without them")
            return sound
        if done.shape[-1] < count:
            return np.pad(done, ((0, 0), (count - done.shape[-1], 0)))
        return done

    def _start_anew(self) -> None:
        self._board.reset()
        self.restarts += 1
        now = time.monotonic()
        if now - self._said_at >= SAY_S:
            self._said_at = now
            self._say("an effect gave NaN, Inf or absurd levels: silence, and it starts anew")

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
