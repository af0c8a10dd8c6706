"""The engine for graphs that take sound as it is: windows that are faded into each other."""

from __future__ import annotations

import math

import numpy as np

from streamsep.dsp.delay import end_to_front
from streamsep.dsp.sanitize import Sanitizer
from streamsep.separation.backend import Backend
from streamsep.separation.model_engine import ModelEngine
from streamsep.separation.schedule import RunSchedule
from streamsep.types import Float32

# As HS-TasNet is fed by StemgenRT: what is quieter than that is no music, and no gain is larger.
QUIETEST_RMS, LARGEST_GAIN = 10 ** (-72 / 20), 10 ** (40 / 20)
LEAST_DEVIATION = 1e-5  # of a window that is divided by it
HOLD = 4.0  # a mirrored sound has gone over into the newest sample by e to this power


class WaveformSeparator(ModelEngine):
    """Runs the newest window again and again, and fades from one run's stems into the next's.

    A window ends with the newest sample, or with ``spec.padding_frames`` made up after it. Of each
    run it gives ``block_size`` samples, which end ``trim`` before the newest; they are faded in
    over their first ``fade``, which is what the run before had at its end.

    Parameters
    ----------
    backend
        Holds the graph.
    block_size
        New samples a run.
    trim
        Newest samples whose estimates are left unused.
    fade
        Samples over which a run takes over from the one before.
    schedule
        When it is run, where the machine's speed decides that.

    Raises
    ------
    ValueError
        If the window is too short for so many samples.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        block_size: int,
        trim: int,
        fade: int,
        schedule: RunSchedule | None = None,
    ) -> None:
        spec = backend.spec
        self.schedule = schedule
        self.slack = schedule.slack if schedule else 0
        # One past the newest sample, and what of a run is used.
        self._end = spec.samples_per_run - spec.padding_frames * spec.hop_length
        last = self._end - trim
        if block_size < 1 or last < block_size + fade:
            raise ValueError(f"{block_size} samples a run don't fit a window of {self._end}")
        super().__init__(backend, block_size=block_size, delay=trim + fade)
        self.memory = 2 * self._end + self.delay  # by the window that the fade is from
        self._used = slice(last - block_size - fade, last)
        channels, stems = spec.channels, len(spec.stems)
        self._window = np.zeros((channels, self._end), np.float32)
        self._moves = end_to_front(self._window, self._end - block_size)
        self._made = np.zeros((stems, channels, block_size + fade), np.float32)
        self._tail = np.zeros((stems, channels, fade), np.float32)
        self._rise = (np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1)) ** 2).astype("f4")
        padded = spec.samples_per_run - self._end
        self._hold = (1 - np.exp(-HOLD * np.arange(padded) / max(padded, 1))).astype("f4")
        self._mirrored = np.zeros((channels, spec.hop_length), np.float32)
        self._change = np.zeros((channels, padded), np.float32)
        self._sanitizer = Sanitizer(self._made.shape)

    @classmethod
    def live(cls, backend: Backend, schedule: RunSchedule) -> WaveformSeparator:
        """Return the engine that gives stems as soon as a schedule allows."""
        hop = backend.spec.hop_length
        return cls(
            backend,
            block_size=schedule.stride_frames * hop,
            trim=schedule.trim_frames * hop,
            fade=backend.spec.transform_delay,
            schedule=schedule,
        )

    @classmethod
    def strided(cls, backend: Backend, frames: int) -> WaveformSeparator:
        """Return an engine that runs every so many frames, whatever the machine's speed."""
        spec = backend.spec
        return cls(
            backend,
            block_size=frames * spec.hop_length,
            trim=spec.lag_frames * spec.hop_length,
            fade=spec.transform_delay,
        )

    @classmethod
    def overlapped(cls, backend: Backend) -> WaveformSeparator:
        """Return the engine for files: each window runs once, and a quarter overlaps the next.

        Windows whose end is made up are run as live: that is what their graph was taught.
        """
        spec = backend.spec
        if spec.padding_frames:
            return cls.strided(backend, 1)
        overlap = spec.samples_per_run // 4
        return cls(backend, block_size=spec.samples_per_run - overlap, trim=0, fade=overlap)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`.

        Raises
        ------
        ValueError
            If a shape isn't (C, block_size) and (S, C, block_size).
        """
        self._check_shapes(block, out)
        for front, end in self._moves:
            np.copyto(front, end)
        np.copyto(self._window[:, self._end - self.block_size :], block)
        self._run()
        self._sanitizer.clean(self._made)
        fade = self._rise.size
        head = self._made[..., :fade]
        head -= self._tail
        head *= self._rise
        head += self._tail
        np.copyto(out[:-1], self._made[..., : self.block_size])
        np.copyto(self._tail, self._made[..., self.block_size :])
        residual = out[-1]
        self._mixture.process(block, residual)
        for stem in out[:-1]:
            np.subtract(residual, stem, out=residual)

    def _run(self) -> None:
        """Make ``self._made`` of the window."""
        # Silence for silence, whatever the network believes.
        if self._window.min() == self._window.max() == 0.0:
            self._made.fill(0.0)
            return
        features = self._backend.features
        shift, gain = self._level()
        sound = features[:, : self._end]
        np.copyto(sound, self._window)
        np.subtract(sound, shift, out=sound)
        np.multiply(sound, gain, out=sound)
        self._pad(features)
        self._backend.run()
        # numpy divides in place what is contiguous; of parts of rows it would make copies.
        np.copyto(self._made, self._backend.estimate[..., self._used])
        np.divide(self._made, gain, out=self._made)
        np.add(self._made, shift, out=self._made)

    def _level(self) -> tuple[np.float32, np.float32]:
        """Return what to take from the window, and what to multiply it by then."""
        shift, gain = 0.0, 1.0
        if self.spec.normalise == "none":
            return np.float32(shift), np.float32(gain)
        square = float(np.vdot(self._window, self._window)) / self._window.size
        if self.spec.normalise == "standard":
            shift = float(self._window.mean())
            gain = 1.0 / (LEAST_DEVIATION + math.sqrt(max(square - shift**2, 0.0)))
        elif square >= QUIETEST_RMS**2:
            gain = min(10 ** (self.spec.level_db / 20) / math.sqrt(square), LARGEST_GAIN)
        return np.float32(shift), np.float32(gain)

    def _pad(self, features: Float32) -> None:
        """Make up what comes after the newest sample."""
        end, hop, padding = self._end, self.spec.hop_length, self.spec.padding
        after = features[:, end:]
        if padding == "silence" or not after.size:
            after.fill(0.0)
            return
        np.copyto(self._mirrored, features[:, end - hop : end][:, ::-1])
        for start in range(0, after.shape[-1], hop):
            part = after[:, start : start + hop]
            np.copyto(part, self._mirrored[:, : part.shape[-1]])
        if padding == "mirror_hold":
            # Channel by channel, or numpy would broadcast by way of buffers.
            for last, row, change in zip(features[:, end - 1], after, self._change, strict=True):
                np.subtract(last, row, out=change)
                np.multiply(change, self._hold, out=change)
                np.add(row, change, out=row)

    def reset(self) -> None:
        """Start anew."""
        self._backend.reset()
        self._window.fill(0.0)
        self._tail.fill(0.0)
        self._mixture.reset()
