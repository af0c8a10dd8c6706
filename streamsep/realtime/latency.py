"""Latency: what it is made of, and what it measurably is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from streamsep.dsp.ring import RingBuffer
from streamsep.types import Float32

# Samples that a run may take beyond one device block, where nothing else is said: 23 ms.
DEFAULT_SLACK = 1_024


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """Where the time goes between a sample's way in and its way out, in samples.

    Attributes
    ----------
    device_in, device_out
        What the audio system and our conversion buffers add at either end.
    buffering
        Collecting device blocks into separator blocks and back.
    slack
        Time that inference may take without being late.
    stft
        Overlap of the analysis and synthesis frames.
    lookahead
        Later frames that the network waits for.
    effects
        What the key and plugins on the song hold back.
    ahead
        What was taken in before the clock started, of a file: so much of it all isn't heard.
    """

    sample_rate: int
    device_in: int
    buffering: int
    slack: int
    stft: int
    lookahead: int
    device_out: int
    effects: int = 0
    ahead: int = 0

    @property
    def session(self) -> int:
        """Samples from ``indata`` to ``outdata``, exact."""
        return self.buffering + self.slack + self.stft + self.lookahead + self.effects

    @property
    def total(self) -> int:
        """Samples from the way in to the way out, as far as the devices know theirs.

        What was taken in ahead came in when the clock reached it.
        """
        return self.heard(self.session)

    def heard(self, session: int) -> int:
        """Return the `total`, were the session's part this one, such as a measured one."""
        return self.device_in + session - self.ahead + self.device_out

    def between_devices(self, measured: int) -> LatencyReport:
        """Return it with what the devices were found to take, both together, in samples."""
        device_out = min(self.device_out, measured)
        return replace(self, device_in=measured - device_out, device_out=device_out)

    def ms(self, samples: float) -> float:
        """Convert samples of this report to milliseconds."""
        return 1_000.0 * samples / self.sample_rate


def buffering_samples(block_size: int, device_frames: int) -> int:
    """Return the least head start of the output that never runs dry.

    Writing B = block_size, n = device_frames: after callback k, k·n samples are due while only
    whole blocks of the input up to callback k − 1 can be done. The largest difference,
    max over k of k·n − B·floor((k − 1)·n / B), is B + n − gcd(B, n).
    """
    return block_size + device_frames - math.gcd(block_size, device_frames)


class LatencyMeter:
    """Measures the session's delay by finding the input again in the output.

    The audio thread hands in what came in and what it made of it (all stems at gain one, which
    sum to the delayed input); another thread correlates the two now and then.

    Parameters
    ----------
    expected
        Longest delay worth searching is twice this, in samples.
    block_size
        Samples per `push`.
    """

    WINDOW = 16_384  # 0.37 s at 44.1 kHz: enough for most music to be unlike itself elsewhere
    # Loops and drum machines repeat themselves to the sample: of places so much alike, in parts of
    # the best match, none is more likely than the expected one.
    ALIKE = 0.999
    QUIET = 1e-3  # of the energy that is looked for: what has less is something else

    def __init__(self, expected: int, block_size: int) -> None:
        self._expected, self._span = expected, self.WINDOW + 2 * expected
        capacity = 2 * self._span + 8 * block_size
        self._rings = (RingBuffer((), capacity), RingBuffer((), capacity))
        self._input = np.zeros(self._span, np.float32)
        self._output = np.zeros(self._span, np.float32)

    def push(self, came_in: Float32, went_out: Float32) -> None:
        """Note one block of each, (C, N); the first channel serves. Audio thread only."""
        self._rings[0].write(came_in[0])
        self._rings[1].write(went_out[0])

    def measure(self) -> int | None:
        """Return the delay in samples, or None when there is too little or too quiet sound."""
        position = self._rings[1].write_position
        if position < self._span:
            return None
        for ring, samples in zip(self._rings, (self._input, self._output), strict=True):
            ring.read_position = position - self._span
            if not ring.read(samples):
                return None
        newest = self._output[-self.WINDOW :]
        if not _audible(newest) or not _audible(self._input):
            return None
        return self._best_lag(newest)

    def _best_lag(self, newest: Float32) -> int | None:
        """Find ``newest`` in the input by normalised cross-correlation."""
        size = 2 ** math.ceil(math.log2(self._span + self.WINDOW))
        spectrum = np.fft.rfft(self._input, size) * np.conj(np.fft.rfft(newest, size))
        places = self._span - self.WINDOW + 1
        match = np.fft.irfft(spectrum, size)[:places]
        energy = np.cumsum(np.concatenate([[0.0], self._input.astype(np.float64) ** 2]))
        energy = energy[self.WINDOW :] - energy[: -self.WINDOW]
        norm = float(np.linalg.norm(newest))
        # Next to silence, as behind a song's end, rounding errors would be a perfect match.
        loud = energy > self.QUIET * norm**2
        score = np.where(loud, match / np.sqrt(np.where(loud, energy, 1.0)), 0.0)
        best = int(np.argmax(score))
        # The same sound gives 1; dropouts lower it, and half a match is no measurement.
        if score[best] < 0.5 * norm:
            return None
        # Peaks alone: beside a peak low notes are as much alike, and a sample off would be hidden.
        sides = np.pad(score, 1, constant_values=-np.inf)
        is_peak = (score >= sides[:-2]) & (score >= sides[2:])
        alike = np.flatnonzero(is_peak & (score >= self.ALIKE * score[best]))
        lags = places - 1 - alike
        return int(lags[np.argmin(np.abs(lags - self._expected))])


def _audible(samples: Float32) -> bool:
    return bool(np.abs(samples).max() > 1e-4)  # -80 dB of full scale
