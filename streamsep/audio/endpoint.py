"""What drives a session: sources of sound, sinks that ask for it, and the pump between."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from streamsep.errors import StreamsepError
from streamsep.types import Float32

ProcessBlock = Callable[[Float32, Float32, int], None]  # indata, outdata (n, C), lost samples


class RenderCallback(Protocol):
    """What a sink calls for every block."""

    def __call__(self, outdata: Float32, lost: int, due: float | None = None) -> None:
        """Fill (n, C); ``lost`` is non-zero when the sink lost samples.

        ``due`` is when the first sample will be heard, by `time.monotonic`, where known; ``-inf``
        where that should have been long ago, and the block is only there for time to go on.
        """


class AudioEndpoint(Protocol):
    """Calls a session's ``process_block`` again and again: the seam that tests replace."""

    device_frames: int
    device_in: int
    device_out: int

    def run(self, process_block: ProcessBlock, stop: threading.Event, *, tail: int = 0) -> None:
        """Run until ``stop`` is set or the source has ended and ``tail`` samples more."""


class Source(Protocol):
    """Gives blocks of sound without ever waiting."""

    latency: int  # samples at the model's rate
    fault: StreamsepError | None  # why it ended early, if it did

    @property
    def finished(self) -> bool:
        """Whether all sound has been read."""

    @property
    def drift_ppm(self) -> float | None:
        """By how much its clock is found to be fast, in ppm; None where it has none of its own."""

    @property
    def measured(self) -> int | None:
        """Samples between a sample's way in and its being heard, apart from the session's.

        None where that isn't known, or not yet.
        """

    def ready(self) -> bool:
        """Say whether sound has begun to come; until then nothing is asked of the session."""

    def start(self) -> None:
        """Begin to collect sound."""

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C) and return how many samples were lost; silence where there are none.

        Of what is ``due`` at ``-inf``, nothing is wanted: a device skips to what comes now, a file
        goes on where it was.

        ``due`` as for `RenderCallback`.
        """

    def close(self) -> None:
        """Release what is held."""


class Sink(Protocol):
    """Asks for blocks at the pace of real time, and plays or drops them."""

    latency: int  # samples at the model's rate

    def run(self, render: RenderCallback, stop: threading.Event) -> None:
        """Call ``render`` for every block until ``stop`` is set."""

    def close(self) -> None:
        """Release what is held."""


class DuplexPump:
    """Pumps blocks from one source through a session to one sink.

    Parameters
    ----------
    source
        Where the mixture comes from.
    sink
        What asks for it; may be the same device as the source.
    device_frames
        Block length n, in samples at the model's rate.
    channels
        Channels C of the model.
    """

    def __init__(self, source: Source, sink: Sink, *, device_frames: int, channels: int) -> None:
        self._source, self._sink = source, sink
        self.device_frames = device_frames
        self.device_in, self.device_out = source.latency, sink.latency
        self._indata = np.zeros((device_frames, channels), np.float32)

    def drift_ppm(self) -> float | None:
        """See `Source.drift_ppm`."""
        return self._source.drift_ppm

    def device_latency(self) -> int | None:
        """See `Source.measured`."""
        return self._source.measured

    def run(
        self,
        process_block: ProcessBlock,
        stop: threading.Event,
        *,
        tail: int = 0,
        read_ahead: Callable[[], object] = lambda: None,
        held: Callable[[], bool] = lambda: False,
        missed: ProcessBlock | None = None,
    ) -> None:
        """See `AudioEndpoint.run`.

        Parameters
        ----------
        process_block, stop, tail
            As there.
        read_ahead
            Called before the sink starts, when the source has.
        held
            Asked before each block, whether it needs no input: nothing is read for it then, and
            nothing ends.
        missed
            Called in place of ``process_block`` for time that has gone by unheard.

        Raises
        ------
        StreamsepError
            If a file turns out to be damaged.
        """
        # A device plays what it has buffered only while blocks go on coming, and so does the
        # sound server behind it, which keeps about as much again.
        after = tail + 2 * self._sink.latency
        left = after
        ready = False  # once it was, time goes on whatever becomes of the source

        def render(outdata: Float32, lost: int, due: float | None = None) -> None:
            nonlocal left, ready
            ready = ready or self._source.ready()
            if not ready:
                outdata.fill(0.0)
                return
            if held():
                process_block(self._indata, outdata, lost)
                return
            if due == -math.inf:
                lost += self._source.read(self._indata, due)
                (missed or process_block)(self._indata, outdata, lost)
                return
            ended = self._source.finished
            process_block(self._indata, outdata, self._source.read(self._indata, due) + lost)
            left = left - self.device_frames if ended else after
            if ended and left <= 0:
                stop.set()

        try:
            self._source.start()
            read_ahead()
            self._sink.run(render, stop)
        finally:
            self._sink.close()
            self._source.close()
        if self._source.fault is not None:
            raise self._source.fault


class TimerSink:
    """Real time by the system's clock, for runs without an output device.

    Parameters
    ----------
    sample_rate
        Rate of the model in Hz.
    device_frames, channels
        Shape of the blocks, which are dropped.
    """

    HELD_S = 1.0  # by Ctrl-Z or a sleeping machine
    latency = 0

    def __init__(self, sample_rate: int, device_frames: int, channels: int) -> None:
        self._period_s = device_frames / sample_rate
        self._outdata = np.zeros((device_frames, channels), np.float32)

    def run(self, render: RenderCallback, stop: threading.Event) -> None:
        """Call ``render`` once a period; after a delay the missed periods follow at once.

        After more than HELD_S of it the time stood still: no model could keep up with what follows.
        """
        started, count = time.monotonic(), 0
        while not stop.is_set():
            render(self._outdata, 0)
            count += 1
            ahead = started + count * self._period_s - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            elif ahead < -self.HELD_S:
                started -= ahead

    def close(self) -> None:
        """Nothing is held."""
