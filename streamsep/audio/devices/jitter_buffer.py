"""The buffer between two devices: it rides out bursts, and holds its level against drift."""

from __future__ import annotations

import math
import time

from streamsep.audio.devices.clock_estimator import ClockEstimator
from streamsep.dsp.drift import DriftLoop, DriftResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.types import Float32


class JitterBuffer:
    """What an input device writes and the clock of an output device reads.

    Nothing is read before there is a head start, so that late bursts find a filled ring. After
    samples were lost on either side the distance to the newest one would stay wrong: too small,
    and every burst is late from then on; too large, and the latency has grown. Silence while
    the ring fills anew, or a skip, puts it back. Slow change is drift, and resampled away.

    Parameters
    ----------
    channels, device_frames
        Shape (n, C) of what is read.
    sample_rate
        In Hz.
    buffered
        Samples that the input device may hand over at once.
    two_clocks
        Whether whoever reads has another clock than the device that writes.
    stamped
        Whether time stamps can be believed for longer than the first second. Else what is
        measured follows the moments of the calls from then on.

    Attributes
    ----------
    latency
        From a sample's way in to its being read, in samples: the head start, the block that the
        newest sample has waited for at most, and with two clocks the resampler's delay.
    """

    # Sound servers hand over up to a whole buffer at once, and none before: the ring starts with
    # as much, and these blocks more, before anything is read from it.
    HEAD_START_BLOCKS = 2
    LEVEL_S = 1.0
    # Outputs that have just been opened may ask for a little before they keep time.
    SETTLE_S = 0.3

    def __init__(
        self,
        channels: int,
        device_frames: int,
        *,
        sample_rate: int,
        buffered: int,
        two_clocks: bool,
        stamped: bool = True,
    ) -> None:
        self._rate, self._frames = sample_rate, device_frames
        self._ring = RingBuffer((channels,), max(4 * sample_rate, 16 * device_frames))
        self._resampler = (
            DriftResampler(channels, device_frames, fade=sample_rate) if two_clocks else None
        )
        self._as_it_comes = False
        self._expect(buffered)
        self.latency = self._head_start + device_frames
        if two_clocks:
            self.latency += DriftResampler.DELAY
        self._level_reads = max(1, round(self.LEVEL_S * sample_rate / device_frames))
        self._settle_reads = round(self.SETTLE_S * sample_rate / device_frames)
        self._reading = False
        self._lost = self._old_reads = 0
        self._loop = DriftLoop()
        self._correction = 0.0  # follows the loop's, smoothly
        self._clocks = ClockEstimator(sample_rate, stamped=stamped)
        self._start_over()

    def _expect(self, buffered: int) -> None:
        """Have a head start for a device that hands over so many samples at once."""
        self._head_start = buffered + self.HEAD_START_BLOCKS * self._frames
        self._too_full = self._head_start + buffered

    @property
    def drift_ppm(self) -> float | None:
        """By how much the input's clock is found to be fast; None where there is but one."""
        return None if self._resampler is None else 1e6 * self._correction

    @property
    def measured(self) -> int | None:
        """From a sample's way in to its being heard, in samples, were there nothing in between.

        As found by time stamps at the start, and after every new start. None before.
        """
        measured = self._clocks.measured
        if measured is None or self._resampler is None:
            return measured
        return measured + DriftResampler.DELAY

    @property
    def started(self) -> bool:
        """Whether anything has been written."""
        return self._ring.write_position > 0

    def write(self, sound: Float32, now: float | None = None) -> None:
        """Append (C, N), whose last sample came in at ``now`` by `time.monotonic`."""
        self._ring.write(sound)
        self._clocks.wrote(self._ring.write_position, time.monotonic() if now is None else now)

    @property
    def available(self) -> int:
        """Samples that wait."""
        return self._ring.available

    @property
    def position(self) -> int:
        """Samples that have been read, or skipped, of all that were written."""
        return self._ring.read_position

    def be_read_as_it_comes(self) -> None:
        """Need no head start and mind no level: who writes reads, block by block."""
        self._as_it_comes = True
        self._head_start, self._level_reads = self._frames, 0

    def lost(self) -> None:
        """Note that the device lost samples."""
        self._lost += 1

    def restart(self, buffered: int) -> None:
        """Fill anew before anything else is read: another stream writes from now on.

        ``buffered`` as for the first one.
        """
        if not self._as_it_comes:
            self._expect(buffered)
        self._reading = False

    def ready(self) -> bool:
        """Say whether there is a head start, or was."""
        return self._reading or self._go_to_head_start()

    def _go_to_head_start(self) -> bool:
        """Begin at the usual distance from the newest sample, once there are that many."""
        if self._ring.available >= self._head_start:
            self._ring.advance(self._ring.available - self._head_start)
            self._reading = True
            self._start_over()
        return self._reading

    def _start_over(self) -> None:
        self._clocks.start_over()
        self._watch_anew(-self._settle_reads)
        self._correction = 0.0
        self._loop.reset()
        if self._resampler is not None:
            self._resampler.reset()

    def _watch_anew(self, reads: int) -> None:
        self._reads, self._lowest = reads, self._ring.capacity
        self._clocks.new_window()

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C) and return how many losses there were; silence where there is nothing.

        ``due`` is when the first sample of them will be heard, by `time.monotonic`. What had been
        due long ago (``-inf``) is silence, not sound of now: the ring fills anew after that.
        """
        lost, self._lost = self._lost, 0
        if due == -math.inf:
            self._reading, self._old_reads = False, self._level_reads
            out.fill(0.0)
            return lost + 1
        if not self._reading and not self._go_to_head_start():
            out.fill(0.0)
            return lost + 1
        lost += self._skip_old()
        lost += self._watch_level(time.monotonic() if due is None else due)
        if not self._take(out.T):
            out.fill(0.0)
            self._reading = False
            lost += 1
        return lost

    def _skip_old(self) -> int:
        """Return 1 where sound was skipped that a device had kept while everything stood still.

        It comes in one long burst after that, and would be late for as long as it takes to find the
        level too high.
        """
        self._old_reads = max(self._old_reads - 1, 0)
        if not self._old_reads or self._ring.available <= self._too_full:
            return 0
        self._go_to_head_start()
        return 1

    def _take(self, out: Float32) -> bool:
        if self._resampler is None:
            return self._ring.read(out)
        if self._resampler.adjustable:
            step = self._frames / (self.LEVEL_S * self._rate)
            self._correction += (self._loop.correction - self._correction) * min(step, 1.0)
            self._resampler.set_correction(self._correction)
        return self._resampler.read(self._ring, out)

    def _watch_level(self, due: float) -> int:
        """Keep account of the level; return 1 where too much had to be skipped."""
        self._lowest = min(self._lowest, self._ring.available)
        self._clocks.reads(self._ring.read_position, due, time.monotonic())
        self._reads += 1
        if self._reads == 0:
            self._watch_anew(0)
        if not self._level_reads or self._reads < self._level_reads:
            return 0
        too_full, level = self._lowest > self._too_full, self._clocks.level()
        self._watch_anew(0)
        if too_full:
            self._go_to_head_start()
            return 1
        if math.isfinite(level):
            self._clocks.measure(level)
            self._hold(level)
        return 0

    def _hold(self, level: float) -> None:
        """Have drift resampled away that this level, in samples, tells of."""
        if self._resampler is not None:
            step_s = self._level_reads * self._frames / self._rate
            self._loop.update(level / self._rate, step_s)
            if self._loop.engaged:
                self._resampler.engage()
