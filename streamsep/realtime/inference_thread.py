"""The thread that runs the separator, between two rings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from streamsep.dsp.ring import RingBuffer
from streamsep.priority import INFERENCE, promote
from streamsep.realtime.stats import HopTimes
from streamsep.separation import Separator


class InferenceThread:
    """Takes blocks from the input ring, separates them, and puts stems on the output ring.

    A inference thread that falls behind works on in order: what comes late is never played, and the
    separator's memory stays whole. Only when the input ring has been overwritten does it jump
    to the newest audio and start anew.

    Parameters
    ----------
    separator
        Used by this thread alone from `start` on.
    source
        Ring of (C, ·) mixture.
    sink
        Ring of (S, C, ·) stems, primed by the session.
    """

    def __init__(self, separator: Separator, source: RingBuffer, sink: RingBuffer) -> None:
        self._separator, self._source, self._sink = separator, source, sink
        channels, size = separator.spec.channels, separator.block_size
        self._block = np.zeros((channels, size), np.float32)
        self._stems = np.zeros((len(separator.stems), channels, size), np.float32)
        # A separator may ask to be told where it is: as the sample of all that was fed.
        self._locate: Callable[[int], None] | None = getattr(separator, "locate", None)
        self.origin = 0  # which of these the ring's first one is
        self.hop_times = HopTimes()
        self.fault: Exception | None = None
        self._valid_from = 0
        self._done = source.read_position
        self._lead = sink.write_position - source.write_position
        self._stopping = self._restart = False
        self._warm_up = 0
        self._ready = threading.Event()
        # A bare lock as a binary semaphore: releasing it never waits, unlike an Event, whose
        # own lock the audio thread would have to take.
        self._semaphore = threading.Lock()
        self._semaphore.acquire()
        self._thread = threading.Thread(target=self._run, name="streamsep-inference", daemon=True)

    def start(self, warm_up: int) -> None:
        """Start the thread, and wait until it has run on silence so many times.

        So the first real block meets no first-time costs. It has to be that thread: CUDA graphs
        are captured for each one apart.

        Raises
        ------
        Exception
            Whatever the separator raises.
        """
        self._warm_up = warm_up
        self._thread.start()
        self._ready.wait()
        if self.fault is not None:
            raise self.fault

    def wake(self) -> None:
        """Tell the inference thread that there may be a block; never waits. Any thread."""
        if self._semaphore.locked():
            with suppress(RuntimeError):  # another thread has just done it, which is as good
                self._semaphore.release()

    def restart(self) -> None:
        """Have the separator start anew, with the next block that is fed; returns at once.

        Whoever feeds the ring, and reads the other one, does neither until `restarted`.
        """
        self._restart = True
        self.wake()

    @property
    def restarted(self) -> bool:
        """Whether that has happened, or never will."""
        return not self._restart or self.fault is not None

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self.wake()
        self._thread.join()

    @property
    def idle(self) -> bool:
        """Whether every whole block that came in has been worked off."""
        waiting = self._source.write_position - self._done
        return self.fault is not None or waiting < self._block.shape[-1]

    def _run(self) -> None:
        try:
            for _ in range(self._warm_up):
                self._separator.process(self._block, self._stems)
            self._separator.reset()
            self._ready.set()
            promote(INFERENCE)
            while True:
                self._semaphore.acquire()
                if self._stopping:
                    return
                self._work()
        except Exception as error:  # kept for the main thread, which raises it
            self.fault = error
            self._ready.set()

    def _work(self) -> None:
        while not self._stopping:
            if self._restart:
                self._start_anew()
            if self._source.overrun:
                self._jump()
            if self._source.available < self._block.shape[-1]:
                return
            position = self._source.read_position
            self._source.read(self._block)
            if self._source.write_position - position > self._source.capacity:
                continue  # overwritten while it was being copied
            if self._locate is not None:
                self._locate(self.origin + position)
            started = time.perf_counter_ns()
            self._separator.process(self._block, self._stems)
            self.hop_times.add(time.perf_counter_ns() - started)
            self._deliver(position)
            self._done = self._source.read_position

    def _deliver(self, position: int) -> None:
        """Put the stems where the block at ``position`` belongs.

        After a jump the separator first gives what it held before it, that is nothing: skip it.
        """
        start = position + self._lead
        if position < self._valid_from:
            return
        if self._sink.write_position != start:
            self._sink.skip_to(start)
        self._sink.write(self._stems)

    def _start_anew(self) -> None:
        self._source.advance(self._source.available)
        self._done = self._source.read_position
        self._separator.reset()
        self._valid_from = 0  # what it gives first is the silence before a song, as at the start
        self._restart = False

    def _jump(self) -> None:
        size = self._block.shape[-1]
        self._source.advance(self._source.available // size * size)
        self._done = self._source.read_position
        self._separator.reset()
        self._valid_from = self._source.read_position + self._separator.delay
