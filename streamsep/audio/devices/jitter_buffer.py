"""The buffer between two devices: it rides out bursts, and holds its level against drift."""

from __future__ import annotations

import math
import time

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
    measured
        From a sample's way in to its being heard, in samples, were there nothing in between: as
        found by time stamps at the start, and after every new start. None before.
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
        self._stamped = stamped
        self._rate, self._frames = sample_rate, device_frames
        self._ring = RingBuffer((channels,), max(4 * sample_rate, 16 * device_frames))
        self._resampler = (
            DriftResampler(channels, device_frames, fade=sample_rate) if two_clocks else None
        )
        self._head_start = buffered + self.HEAD_START_BLOCKS * device_frames
        self.latency = self._head_start + device_frames
        if two_clocks:
            self.latency += DriftResampler.DELAY
        self._too_full = self._head_start + buffered
        self._level_reads = max(1, round(self.LEVEL_S * sample_rate / device_frames))
        self._settle_reads = round(self.SETTLE_S * sample_rate / device_frames)
        self.measured: int | None = None
        self._reading = False
        self._lost = 0
        self._loop = DriftLoop()
        self._correction = 0.0  # follows the loop's, smoothly
        # See `_watch_level`.
        self._newest = self._latest = self._called = -math.inf
        self._heard_later = 0.0
        self._start_over()

    @property
    def drift_ppm(self) -> float | None:
        """By how much the input's clock is found to be fast; None where there is but one."""
        return None if self._resampler is None else 1e6 * self._correction

    @property
    def started(self) -> bool:
        """Whether anything has been written."""
        return self._ring.write_position > 0

    def write(self, sound: Float32, now: float | None = None) -> None:
        """Append (C, N), whose last sample came in at ``now`` by `time.monotonic`."""
        self._ring.write(sound)
        ahead = self._ring.write_position - self._rate * (time.monotonic() if now is None else now)
        self._newest = max(self._newest, ahead)

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
        self._head_start, self._level_reads = self._frames, 0

    def lost(self) -> None:
        """Note that the device lost samples."""
        self._lost += 1

    def restart(self) -> None:
        """Fill anew before anything else is read: another stream writes from now on."""
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
        self._watch_anew(-self._settle_reads)
        self._to_measure = True
        self._correction = 0.0
        self._loop.reset()
        if self._resampler is not None:
            self._resampler.reset()

    def _watch_anew(self, reads: int) -> None:
        self._reads, self._lowest = reads, self._ring.capacity
        self._newest = self._latest = self._called = -math.inf

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C) and return how many losses there were; silence where there is nothing.

        ``due`` is when the first sample of them will be heard, by `time.monotonic`. What had been
        due long ago (``-inf``) is silence, not sound of now: the ring fills anew after that.
        """
        lost, self._lost = self._lost, 0
        if due == -math.inf:
            self._reading = False
            out.fill(0.0)
            return lost + 1
        if not self._reading and not self._go_to_head_start():
            out.fill(0.0)
            return lost + 1
        lost += self._watch_level(time.monotonic() if due is None else due)
        if not self._take(out.T):
            out.fill(0.0)
            self._reading = False
            lost += 1
        return lost

    def _take(self, out: Float32) -> bool:
        if self._resampler is None:
            return self._ring.read(out)
        if self._resampler.adjustable:
            step = self._frames / (self.LEVEL_S * self._rate)
            self._correction += (self._loop.correction - self._correction) * min(step, 1.0)
            self._resampler.set_correction(self._correction)
        return self._resampler.read(self._ring, out)

    def _watch_level(self, due: float) -> int:
        """Keep account of the level; return 1 where too much had to be skipped.

        Where a side has no time stamps of its own, its calls are late at times, and never early.
        So the highest position that each side has reached, against a common clock, is where it
        truly is, and the difference of the two is the level: all of the way from one device to
        the other. The first one after a start is kept as what the way takes. PulseAudio sends
        its clients its clocks every 10 ms then, and every 1.5 s later on; what they make of
        that wanders by 10 ms about a distance that doesn't change.

        Of PipeWire's it wanders by more, but its calls come as regularly as its graph runs. So
        with them only the distance between a call and the sound is left to the first stamps;
        a block that the server loses later shows.
        """
        position = self._ring.read_position
        self._lowest = min(self._lowest, self._ring.available)
        self._latest = max(self._latest, position - self._rate * due)
        if not self._stamped:
            self._called = max(self._called, position - self._rate * time.monotonic())
        self._reads += 1
        if self._reads == 0:
            self._watch_anew(0)
        if not self._level_reads or self._reads < self._level_reads:
            return 0
        too_full, level = self._lowest > self._too_full, self._newest - self._latest
        if not self._stamped:
            if self._to_measure:
                self._heard_later = self._called - self._latest
            level = self._newest - self._called + self._heard_later
        self._watch_anew(0)
        if too_full:
            self._go_to_head_start()
            return 1
        if not math.isfinite(level):
            return 0
        if self._to_measure or not self._stamped:
            self._to_measure = False
            self.measured = round(level) + (DriftResampler.DELAY if self._resampler else 0)
        if self._resampler is not None:
            step_s = self._level_reads * self._frames / self._rate
            self._loop.update(level / self._rate, step_s)
            if self._loop.engaged:
                self._resampler.engage()
        return 0
