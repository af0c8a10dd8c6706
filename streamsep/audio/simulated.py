"""An endpoint in memory: the device of tests and measurements."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsep.audio.endpoint import ProcessBlock

Float32 = NDArray[np.float32]


class SimulatedEndpoint:
    """Feeds an array block by block and keeps what comes out.

    Parameters
    ----------
    signal
        (C, N) float32 to feed, silence follows.
    device_frames
        Samples per block.
    between
        Called with the block's number after each; here a session's ``wait_idle`` stands for
        the real time that passes, or a test for time that doesn't.
    """

    device_in = 0
    device_out = 0

    def __init__(
        self, signal: Float32, device_frames: int, *, between: Callable[[int], None]
    ) -> None:
        self._signal, self.device_frames, self._between = signal, device_frames, between
        self.output = np.zeros((signal.shape[0], 0), np.float32)

    def run(self, process_block: ProcessBlock, stop: threading.Event, *, tail: int = 0) -> None:
        """Feed all of the signal and ``tail`` samples of silence, rounded up to a block."""
        frames = self.device_frames
        channels, count = self._signal.shape
        blocks = -(-(count + tail) // frames)
        padded = np.zeros((blocks * frames, channels), np.float32)
        padded[:count] = self._signal.T
        out = np.zeros_like(padded)
        for index in range(blocks):
            if stop.is_set():
                break
            span = slice(index * frames, (index + 1) * frames)
            process_block(padded[span], out[span], 0)
            self._between(index)
        self.output = out.T
