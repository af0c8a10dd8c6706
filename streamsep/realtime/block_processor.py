"""What the audio thread does with a block: pipelines are fed and read, sounds are mixed."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.fade import BlockFade
from streamsep.dsp.sanitize import Sanitizer
from streamsep.realtime.mix_bus import MixBus
from streamsep.realtime.model_crossfade import ModelCrossfade
from streamsep.realtime.pipeline import Pipeline
from streamsep.types import Float32


class BlockProcessor:
    """From ``indata`` to ``outdata``; `process` and `wake` are for the audio thread alone.

    While it is held the song stands still, to the sample: nothing is fed, nothing taken, and there
    is silence in its place. Then, and only then, another thread may `restart` and `prime`.

    Parameters
    ----------
    pipeline
        Of the model that plays first.
    mix_bus
        For its stems, with blocks of the session's size.

    Attributes
    ----------
    pipeline
        Of the model that plays.
    crossfade
        To another one, while it lasts. Once it is complete, ``pipeline`` is that other one.
    mix_bus
        As given.
    ahead
        Samples of the song that were taken in before the first of them was heard.
    hold
        Whether it is to be held: any thread asks.
    held
        Whether it is: told by the audio thread, from the block on that follows.
    offset
        By how many samples the clock is ahead of what was fed: held while the clock went on,
        less what was fed while it didn't.
    clock, dropouts, glitches, bad_samples
        Counts since the start: of samples, of blocks that inference missed, of those before which
        the audio system lost samples, and of samples that were NaN or Inf.
    """

    def __init__(self, pipeline: Pipeline, mix_bus: MixBus) -> None:
        self.pipeline, self.mix_bus = pipeline, mix_bus
        self.crossfade: ModelCrossfade | None = None
        shape = pipeline.dry.shape
        self._sanitizer = Sanitizer(shape)
        self._in, self._scratch = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._silence = np.zeros_like(pipeline.stems)
        self._fade = BlockFade(pipeline.stems.shape)
        self.hold = self.held = False
        self.ahead = self.offset = 0
        self.clock = self.dropouts = self.glitches = self.bad_samples = 0
        self._peak_in = self._peak_out = 0.0

    @property
    def seconds(self) -> float:
        """Length of what has been processed since the clock started."""
        return self.clock / self.pipeline.latency.sample_rate

    @property
    def heard(self) -> int:
        """How many of the samples that were fed have been heard, or would have been."""
        return self.clock - self.offset - self.pipeline.latency.session

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """All that are fed."""
        crossfade = self.crossfade
        return (self.pipeline,) if crossfade is None else (self.pipeline, crossfade.new)

    def process(
        self, indata: Float32, outdata: Float32, status: int, *, missed: bool = False
    ) -> None:
        """Process one block; see `Session.process_block`."""
        self.glitches += status != 0
        if self.held or missed:
            self.held = self.held and self.hold
            self.offset += len(indata)  # first: whoever records asks for it
            self.mix_bus.dry.fill(0.0)
            stems: Float32 | None = self._silence
        else:
            self._take_in(indata)
            self._peak_in = max(self._peak_in, self._peak(self._in))
            stems = self._stems()
            self.held = self._fade.process(self.hold, stems, self.mix_bus.dry)
        out = self.mix_bus.process(stems)
        self._peak_out = max(self._peak_out, self._peak(out))
        np.copyto(outdata, out.T)
        self.clock += len(indata)

    def _take_in(self, indata: Float32) -> None:
        np.copyto(self._in, indata.T)
        self.bad_samples += self._sanitizer.clean(self._in)

    def restart(self) -> None:
        """Have the models start anew; all that follows waits for `restarted`."""
        for pipeline in self.pipelines:
            pipeline.inference.restart()

    @property
    def restarted(self) -> bool:
        """Whether they have."""
        return all(pipeline.inference.restarted for pipeline in self.pipelines)

    def prime(self, indata: Float32) -> None:
        """Feed (n, C) that nobody hears come out: for another thread, or before the clock starts.

        It still has to `wake`.
        """
        self._take_in(indata)
        for pipeline in self.pipelines:
            self._tell_origin(pipeline)
            pipeline.pass_over(self._in)
        self.offset -= len(indata)

    def _stems(self) -> Float32 | None:
        """Feed the block and return the stems that are due, None where they are late.

        The original of the same moment is left with the mix bus.
        """
        pipeline, crossfade, dry = self.pipeline, self.crossfade, self.mix_bus.dry
        pipeline.feed(self._in)
        stems = pipeline.stems if pipeline.take(self._in) else None
        self.dropouts += stems is None
        np.copyto(dry, pipeline.dry)
        if crossfade is not None:
            self._tell_origin(crossfade.new)
            crossfade.feed(self._in)
            if crossfade.mix(self._in, stems, pipeline.dry):
                stems = crossfade.stems
                np.copyto(dry, crossfade.dry)
            if crossfade.complete:
                self.pipeline, self.crossfade = crossfade.new, None
        return stems

    def _tell_origin(self, pipeline: Pipeline) -> None:
        if not pipeline.fed:
            pipeline.inference.origin = self.clock - self.offset

    def _peak(self, block: Float32) -> float:
        np.abs(block, out=self._scratch)
        return float(self._scratch.max())

    def wake(self) -> None:
        """Wake the inference threads for which there is a block."""
        for pipeline in self.pipelines:
            pipeline.wake()

    def take_peaks(self) -> tuple[float, float]:
        """Return the peaks of what came in and what went out since the last call."""
        peaks, self._peak_in, self._peak_out = (self._peak_in, self._peak_out), 0.0, 0.0
        return peaks
