"""The crossfade from one model to another, block by block, on the audio thread."""

from __future__ import annotations

import numpy as np

from streamsep.realtime.pipeline import Pipeline
from streamsep.types import Float32


class ModelCrossfade:
    """Lets a second pipeline listen for a while, then fades from the first to it.

    Both run on threads of their own; here samples are only added up. Pipelines of one delay hold
    the same moment of the music, and what both agree on passes unchanged. Of different delays the
    fade goes from one moment to the other, with the original for the bypass.

    Parameters
    ----------
    old, new
        With the same stems, channels and sample rate.
    device_frames
        Samples per block, n.

    Attributes
    ----------
    stems, dry
        As of a pipeline, of the mixture of both.
    """

    LISTEN_S = 1.0  # beyond its latency: memories of a model settle
    FADE_S = 0.1
    GONE_S = 0.1  # without a block of the old one: what it is left for is its lateness

    def __init__(self, old: Pipeline, new: Pipeline, device_frames: int) -> None:
        self.old, self.new = old, new
        rate = new.latency.sample_rate
        self._listen = new.latency.session + round(self.LISTEN_S * rate)
        self._fade = round(self.FADE_S * rate)
        self._gone = round(self.GONE_S * rate)
        self._faded = self._missed = 0
        self.stems, self.dry = np.zeros_like(old.stems), np.zeros_like(old.dry)
        # As large as what it is multiplied with: for operands of fewer axes numpy makes a copy.
        self._ramp = np.zeros_like(old.stems)
        self._count = np.zeros_like(old.stems)
        self._count += np.arange(1, device_frames + 1, dtype=np.float32)

    def feed(self, block: Float32) -> None:
        """Feed the new pipeline (C, n); the old one goes on as ever."""
        self.new.feed(block)

    def mix(self, block: Float32, stems: Float32 | None, dry: Float32) -> bool:
        """Go on by a block; say whether ``stems`` and ``dry`` here are what is to be played.

        Parameters
        ----------
        block
            (C, n) as fed.
        stems, dry
            The old pipeline's; ``stems`` is None where they are late. The fade begins with both
            there, or, from the original that is heard instead, once the old one has been late
            for a while.
        """
        there = self.new.take(block)
        self._missed = self._missed + block.shape[-1] if stems is None else 0
        old_is_done = stems is not None or self._missed > self._gone
        if not self._faded and not (there and old_is_done and self.new.fed > self._listen):
            return False
        np.add(self._count, self._faded, out=self._ramp)
        np.multiply(self._ramp, 1.0 / self._fade, out=self._ramp)
        np.minimum(self._ramp, 1.0, out=self._ramp)
        self._faded += self._count.shape[-1]
        self._blend(dry, self.new.dry, self._ramp[0], self.dry)
        if there and stems is not None:
            self._blend(stems, self.new.stems, self._ramp, self.stems)
        elif there:
            np.copyto(self.stems, self.new.stems)
        else:
            self.stems.fill(0.0)
            np.copyto(self.stems[-1], self.dry)
        return True

    def _blend(self, old: Float32, new: Float32, ramp: Float32, out: Float32) -> None:
        np.subtract(new, old, out=out)
        np.multiply(out, ramp, out=out)
        np.add(out, old, out=out)

    @property
    def complete(self) -> bool:
        """Whether nothing of the old pipeline is heard any more."""
        return self._faded >= self._fade
