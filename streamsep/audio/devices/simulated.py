"""An endpoint in memory: the device of tests and measurements."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import numpy as np

from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.audio.endpoint import ProcessBlock
from streamsep.types import Float32


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


class SimulatedDevices:
    """An input and an output device, each with a clock of its own, in simulated time.

    Parameters
    ----------
    signal
        Gives the input's samples ``start`` to ``stop`` as (C, stop - start) float32.
    channels, device_frames
        Shape (n, C) of the blocks of both.
    sample_rate
        Of both, nominally.
    seconds
        How long the output plays.
    drift_ppm
        By how much the input's clock is faster.
    jitter_s
        How late callbacks come at most, at random on either side.
    between
        As for `SimulatedEndpoint`.

    Attributes
    ----------
    delays_s
        For each block that was read, how long ago its newest sample came in: the true latency.
    output
        What was played, (C, N), from time zero on.
    """

    device_out = 0

    def __init__(
        self,
        signal: Callable[[int, int], Float32],
        channels: int,
        device_frames: int,
        *,
        sample_rate: int,
        seconds: float,
        drift_ppm: float,
        jitter_s: float = 0.0,
        between: Callable[[int], None] = lambda index: None,
    ) -> None:
        self.device_frames, self._channels = device_frames, channels
        self._signal, self._between = signal, between
        self._rate = sample_rate
        self._input_rate = sample_rate * (1 + 1e-6 * drift_ppm)
        self._blocks = math.ceil(seconds * sample_rate / device_frames)
        self._jitter_s = jitter_s
        self.buffer = JitterBuffer(
            channels,
            device_frames,
            sample_rate=sample_rate,
            buffered=device_frames,
            two_clocks=True,
        )
        self.device_in = self.buffer.latency
        self.delays_s: list[float] = []
        self.output = np.zeros((channels, 0), np.float32)

    def run(self, process_block: ProcessBlock, stop: threading.Event, *, tail: int = 0) -> None:
        """Play until ``stop`` or all seconds are over."""
        frames, late = self.device_frames, self._lateness()
        indata = np.zeros((frames, self._channels), np.float32)
        out = np.zeros((self._blocks, frames, self._channels), np.float32)
        written, arrival = 0, frames / self._input_rate
        for index in range(self._blocks):
            if stop.is_set():
                break
            # A block that is full at this very moment comes just too late.
            now = index * frames / self._rate + next(late)
            while arrival < now:
                self.buffer.write(self._signal(written, written + frames), arrival)
                written += frames
                arrival = (written + frames) / self._input_rate + next(late)
            if self.buffer.ready():
                process_block(indata, out[index], self.buffer.read(indata, now))
                newest = self.buffer.position / self._input_rate
                self.delays_s.append(index * frames / self._rate - newest)
                self._between(index)
        self.output = out.reshape(-1, self._channels).T

    def _lateness(self) -> Iterator[float]:
        random = np.random.default_rng(0)
        while True:
            yield from random.uniform(0.0, self._jitter_s, 1_024)
