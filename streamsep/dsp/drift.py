"""Two clocks that differ by some parts per million: noticing it, and resampling it away."""

from __future__ import annotations

import numpy as np
import soxr

from streamsep.dsp.delay import end_to_front
from streamsep.dsp.ring import RingBuffer
from streamsep.types import Float32


class DriftLoop:
    """Turns the level of a buffer into a correction of the pace at which it is read.

    The first levels set the point to hold; so do the first after a jump, which is no drift but
    a device that changed its ways. Inside a dead band around it nothing is corrected: jitter
    isn't drift either, and where both clocks are one it stays so. Once outside, a critically
    damped loop of second order brings the level back and holds it.

    Attributes
    ----------
    engaged
        Whether drift has been seen.
    correction
        How much faster than nominal to read: 1e-4 is 100 ppm.
    """

    SETTLE = 2  # levels that set the point
    JUMP_S = 0.002  # between two levels; crystals differ by 0.0002 a second at worst
    # Servers err by 2 ms about their own latency. Before 200 ppm are seen and corrected another
    # millisecond and a bit goes by, and 4 ms are all that may be added.
    DEAD_BAND_S = 0.0026
    SMOOTH_S = 2.0
    OMEGA = 0.04  # rad/s: a jitter of 1 ms moves the pitch by 80 ppm, 0.14 cents
    LIMIT = 0.0008  # 1.4 cents

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, for another stream."""
        self.engaged = False
        self.correction = 0.0
        self._levels = 0
        self._last = self._set_point = self._smooth = self._integral = 0.0

    def update(self, level_s: float, step_s: float) -> None:
        """Take in the level, in seconds of sound, ``step_s`` after the one before."""
        if abs(level_s - self._last) > self.JUMP_S:
            self._levels = 0
            self._smooth = self._set_point = 0.0
            self.correction = self._integral
        self._last = level_s
        if self._levels < self.SETTLE:
            self._levels += 1
            self._set_point += (level_s - self._set_point) / self._levels
            return
        error = level_s - self._set_point
        self._smooth += (error - self._smooth) * min(step_s / self.SMOOTH_S, 1.0)
        if not self.engaged and abs(self._smooth) < self.DEAD_BAND_S:
            return
        self.engaged = True
        integral = self._integral + self.OMEGA**2 * error * step_s
        self._integral = min(max(integral, -self.LIMIT), self.LIMIT)
        correction = self._integral + 2 * self.OMEGA * error
        self.correction = min(max(correction, -self.LIMIT), self.LIMIT)


class DriftResampler:
    """Reads blocks from a ring at a pace that differs from one by a correction.

    Until `engage` what comes out is what went in, bit by bit, `DELAY` samples later. Then soxr's
    variable-rate filter takes over, which holds as much back, so that nothing moves.

    Parameters
    ----------
    channels, block_size
        Sizes C, n of every block.
    fade
        Samples over which the filter takes over: a second of them makes of the last half sample
        between both no more than a slow turn of phase.
    """

    # soxr's filter holds back 240 samples, and moves what it passes by 1.6 to 2.2 more.
    DELAY = 242
    # The largest ratio that soxr is told of. Above one, it passes through one without changing
    # its stages; at one exactly it would change them there, audibly.
    LARGEST_RATIO = 1.01
    # What the filter is fed before its output is used: its length, and its memory of the start.
    HISTORY = 1_024

    def __init__(self, channels: int, block_size: int, *, fade: int) -> None:
        self._size, self._fade_samples = block_size, fade
        self._past = np.zeros((channels, self.HISTORY + block_size), np.float32)
        self._moves = end_to_front(self._past, self.HISTORY)
        # A few samples more or less than a block are taken in for each that goes out.
        self._piece = np.zeros((channels, 2 * block_size + 16), np.float32)
        self._done = RingBuffer((channels,), 8 * block_size + self.HISTORY)
        self._filtered = np.zeros((channels, block_size), np.float32)
        self._count = np.arange(1, block_size + 1, dtype=np.float32)
        self._ramp = np.zeros(block_size, np.float32)
        self._stream = soxr.ResampleStream(
            self.LARGEST_RATIO, 1.0, channels, dtype="float32", vr=True
        )
        self._ratio = 1.0
        self._faded: int | None = None  # samples of the fade that are over, once it has begun

    def reset(self) -> None:
        """Begin anew: bit-exact, with silence before the first sample."""
        self._past.fill(0.0)
        self._faded = None

    def engage(self) -> None:
        """Let the filter take over from the next block on, unless it has."""
        if self._faded is None:
            self._stream.clear()
            self._stream.set_io_ratio(1.0, 1.0)
            self._done.advance(self._done.available)
            self._feed(self._past)
            self._done.advance(self._done.available)
            self._faded = 0

    @property
    def adjustable(self) -> bool:
        """Whether the filter has taken over and corrections are heard."""
        return self._faded is not None and self._faded >= self._fade_samples

    def set_correction(self, correction: float) -> None:
        """Read ``1 + correction`` samples for every one that is given, once `adjustable`."""
        self._ratio = 1.0 + correction

    def read(self, ring: RingBuffer, out: Float32) -> bool:
        """Fill ``out`` (C, n), or return False if the ring lacks the samples for it."""
        if self.adjustable:
            return self._filter(ring, out)
        if ring.available < self._size:
            return False
        for front, newest in self._moves:
            np.copyto(front, newest)
        if not ring.read(self._past[:, self.HISTORY :]):
            return False
        end = self._past.shape[-1] - self.DELAY
        out[...] = self._past[:, end - self._size : end]
        if self._faded is not None:
            self._fade(out, self._faded)
        return True

    def _fade(self, out: Float32, faded: int) -> None:
        """Go on from the plain samples in ``out`` to the same ones out of the filter."""
        self._feed(self._past[:, self.HISTORY :])
        self._done.read(self._filtered)
        np.add(self._count, faded, out=self._ramp)
        np.multiply(self._ramp, 1.0 / self._fade_samples, out=self._ramp)
        np.minimum(self._ramp, 1.0, out=self._ramp)
        np.subtract(self._filtered, out, out=self._filtered)
        np.multiply(self._filtered, self._ramp, out=self._filtered)
        np.add(out, self._filtered, out=out)
        self._faded = faded + self._size

    def _filter(self, ring: RingBuffer, out: Float32) -> bool:
        self._stream.set_io_ratio(self._ratio, 1.0, self._size)
        while self._done.available < self._size:
            missing = self._size - self._done.available
            piece = self._piece[:, : max(round(missing * self._ratio), 1)]
            if not ring.read(piece):
                return False
            self._feed(piece)
        return self._done.read(out)

    def _feed(self, sound: Float32) -> None:
        frames = self._stream.resample_chunk(np.ascontiguousarray(sound.T))
        self._done.write(frames.T)
