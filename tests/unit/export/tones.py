"""Pairs of a high and a low tone, and processes that don't draw them.

A process that draws batches loads this module, and little else.
"""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from export.data.audio import Audio

SAMPLES = 31 * 1024  # 32 frames: what the loop does doesn't depend on the length


class Tones:
    """A high tone to keep, a low one to drop, at levels that step and place decide."""

    def sample(self, step: int, position: int, batch_size: int = 1) -> tuple[Audio, Audio]:
        rng = np.random.default_rng([step, position])
        time_s = np.arange(SAMPLES) / 44_100
        high, low = (np.sin(2 * np.pi * hz * time_s) * rng.uniform(0.1, 0.3) for hz in (2000, 200))
        return (high + low).astype(np.float32), high[None].astype(np.float32)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Audio, Audio]:
        return self.sample(10_000, index)


class Dying(Tones):
    """Kills the process that it draws in, as one is killed that takes too much memory."""

    def sample(self, step: int, position: int, batch_size: int = 1) -> tuple[Audio, Audio]:
        if step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(step, position, batch_size)


class Hanging(Tones):
    """Waits for what doesn't come."""

    def sample(self, step: int, position: int, batch_size: int = 1) -> tuple[Audio, Audio]:
        time.sleep(3600)
        raise AssertionError
