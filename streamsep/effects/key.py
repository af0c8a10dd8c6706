"""The key: music moved by semitones at its own tempo, by Rubber Band."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.ring import RingBuffer
from streamsep.effects.extra import pylibrb
from streamsep.types import Float32

LOWEST, HIGHEST = -6, 6  # semitones


def _stretcher(semitones: int, sample_rate: int, channels: int) -> Any:
    rb = pylibrb()
    options = rb.Option
    stretcher = rb.RubberBandStretcher(
        sample_rate=sample_rate,
        channels=channels,
        options=options.PROCESS_REALTIME
        | options.ENGINE_FINER
        | options.WINDOW_SHORT
        | options.PitchHighQuality
        | options.CHANNELS_TOGETHER,
    )
    stretcher.pitch_scale = 2.0 ** (semitones / 12.0)
    return stretcher


def shifter_delay(sample_rate: int) -> int:
    """Return by how many samples a shifter is late, whatever its interval.

    What the engine holds back at most is 1.98 of its half windows, measured over all intervals
    and block sizes (tools/pitch.py).
    """
    half_window: int = _stretcher(0, sample_rate, 1).get_preferred_start_pad()
    return round(2.05 * half_window)


class PitchShifter:
    """Shifts one sound by a fixed interval, always `shifter_delay` samples late.

    Rubber Band's finer engine with its short window (decision 0015). What it has ready varies
    from block to block, so a buffer stands behind it.

    Parameters
    ----------
    semitones
        The interval.
    sample_rate, channels, block_size
        Of every block (C, N).
    delay
        From `shifter_delay`.

    Attributes
    ----------
    missed
        Blocks that the engine had too little for: none, if `shifter_delay` is right.
    """

    def __init__(
        self, semitones: int, sample_rate: int, channels: int, block_size: int, delay: int
    ) -> None:
        self._stretcher = _stretcher(semitones, sample_rate, channels)
        pad = self._stretcher.get_preferred_start_pad()
        self._stretcher.set_max_process_size(max(block_size, pad))
        self._ring = RingBuffer((channels,), 4 * (delay + block_size))
        self._ring.write(np.zeros((channels, delay), np.float32))
        self._stretcher.process(np.zeros((channels, pad), np.float32))
        self._lead = self._stretcher.get_start_delay()  # samples before the first one's own
        self.missed = 0

    def process(self, block: Float32, out: Float32) -> None:
        """Shift (C, N) into ``out`` (C, N)."""
        self._stretcher.process(np.ascontiguousarray(block))
        ready = self._stretcher.retrieve_available()
        lead = min(self._lead, ready.shape[-1])
        self._lead -= lead
        self._ring.write(ready[:, lead:])
        if not self._ring.read(out):
            out.fill(0.0)
            self.missed += 1


class KeyChanger:
    """Plays vocals and beat in another key; see `StemEffect`.

    The delay is that of a shifter whatever the key: key 0 is the untouched sound, as late. A
    new key comes from new shifters, which listen for as long as they are late and are then
    faded in over a block: nothing else moves.

    Parameters
    ----------
    semitones
        The key to begin with.
    sample_rate, channels, block_size
        Of every block (2, C, N).
    """

    def __init__(self, semitones: int, sample_rate: int, channels: int, block_size: int) -> None:
        self.delay = shifter_delay(sample_rate)
        self._making = (sample_rate, channels, block_size, self.delay)
        stems = range(2)
        self._plain = [DelayLine(channels, self.delay, block_size) for _ in stems]
        self._delayed, self._old, self._new = (
            np.zeros((2, channels, block_size), np.float32) for _ in range(3)
        )
        self._rise = (np.arange(1, block_size + 1) / block_size).astype(np.float32)
        # Shifters of a key, or None for key 0. Any thread asks for them, the
        # inference thread takes them.
        self._playing = self._make(semitones)
        self._wanted = self._playing
        self._coming = self._playing
        self._heard = 0  # samples that the coming ones have been fed
        self.semitones = semitones

    def _make(self, semitones: int) -> list[PitchShifter] | None:
        if not LOWEST <= semitones <= HIGHEST:
            raise ValueError(f"a key of {semitones} is not in {LOWEST}...{HIGHEST}")
        return [PitchShifter(semitones, *self._making) for _ in range(2)] if semitones else None

    def set_key(self, semitones: int) -> None:
        """Move to another key, within about a tenth of a second; from any thread but one's own.

        Raises
        ------
        ValueError
            For one that isn't in LOWEST...HIGHEST.
        """
        if semitones != self.semitones:
            self._wanted = self._make(semitones)
            self.semitones = semitones

    def process(self, stems: Float32) -> None:
        """Replace (2, C, N) in place."""
        wanted = self._wanted
        if wanted is not self._coming:
            self._coming, self._heard = wanted, 0
        for index, stem in enumerate(stems):
            self._plain[index].process(stem, self._delayed[index])
        played = self._shifted(self._playing, stems, self._old)
        if self._coming is self._playing:
            np.copyto(stems, played)
            return
        coming = self._shifted(self._coming, stems, self._new)
        self._heard += stems.shape[-1]
        if self._coming is not None and self._heard < 2 * self.delay:
            np.copyto(stems, played)  # the coming ones still bring their own beginning
            return
        np.subtract(coming, played, out=stems)
        np.multiply(stems, self._rise, out=stems)
        np.add(stems, played, out=stems)
        self._playing = self._coming

    def _shifted(
        self, shifters: list[PitchShifter] | None, stems: Float32, out: Float32
    ) -> Float32:
        if shifters is None:
            return self._delayed
        for shifter, stem, shifted in zip(shifters, stems, out, strict=True):
            shifter.process(stem, shifted)
        return out

    def reset(self) -> None:
        """Start anew."""
        for line in self._plain:
            line.reset()
        self._wanted = self._make(self.semitones)
        self._playing = self._coming = self._wanted
