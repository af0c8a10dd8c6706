"""One model's way through a session: what it is fed, when it is due, what is heard instead."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.ring import RingBuffer
from streamsep.realtime.inference_thread import InferenceThread
from streamsep.realtime.latency import LatencyMeter, LatencyReport, buffering_samples
from streamsep.separation import Separator
from streamsep.types import Float32

INPUT_RING_S = 4.0


class Pipeline:
    """A separator with its inference thread, its rings and the equally delayed original.

    All but `start` and `stop` is for the audio thread.

    Parameters
    ----------
    separator
        Becomes the pipeline's own.
    device_frames, slack, device_in, device_out, effects_delay
        As for `Session`.

    Attributes
    ----------
    latency
        The report, known from the start.
    stems
        (S, C, n): the latest block that `take` brought.
    dry
        (C, n): the original of the same moment.
    """

    def __init__(
        self,
        separator: Separator,
        *,
        device_frames: int,
        slack: int,
        device_in: int,
        device_out: int,
        effects_delay: int,
    ) -> None:
        spec = separator.spec
        self.separator, self._frames = separator, device_frames
        own_delay = separator.delay - effects_delay
        self.latency = LatencyReport(
            sample_rate=spec.sample_rate,
            device_in=device_in,
            buffering=buffering_samples(separator.block_size, device_frames),
            slack=slack,
            stft=spec.transform_delay,
            lookahead=own_delay - spec.transform_delay,
            device_out=device_out,
            effects=effects_delay,
        )
        shape = (spec.channels, device_frames)
        stems = (len(separator.stems), spec.channels)
        self._input = RingBuffer((spec.channels,), int(INPUT_RING_S * spec.sample_rate))
        lead = self.latency.buffering + slack
        self._output = RingBuffer(stems, lead + 2 * separator.block_size + device_frames)
        self._output.skip_to(0)
        self._output.write(np.zeros((*stems, lead), np.float32))
        self.inference = InferenceThread(separator, self._input, self._output)
        self._delay = DelayLine(spec.channels, self.latency.session, device_frames)
        self.meter = LatencyMeter(self.latency.session, device_frames)
        self.stems = np.zeros((*stems, device_frames), np.float32)
        self.dry = np.zeros(shape, np.float32)
        self._sum = np.zeros(shape, np.float32)
        self.fed = 0  # samples

    def feed(self, block: Float32) -> None:
        """Take in (C, n)."""
        self._input.write(block)
        self._delay.process(block, self.dry)
        self.fed += self._frames

    def wake(self) -> None:
        """Wake the inference thread if there is a block for it."""
        if self._input.available >= self.separator.block_size:
            self.inference.wake()

    def pass_over(self, block: Float32) -> None:
        """Feed (C, n) and leave out what is due: as `feed` and `take`, where nobody listens."""
        self.feed(block)
        self.take(block)

    def take(self, block: Float32) -> bool:
        """Bring the stems that are due to ``stems``; False where they are late.

        ``block`` is what has just been fed, for the meter.
        """
        there = self._output.read(self.stems)
        if there:
            np.sum(self.stems, axis=0, out=self._sum)
        else:
            self._output.advance(self._frames)
            self._sum.fill(0.0)
        self.meter.push(block, self._sum)
        return there
