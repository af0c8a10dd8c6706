"""A sound file that plays as a live source."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamsep.audio.files.notices import Notices, OnNotice
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.errors import StreamsepError, as_streamsep_error
from streamsep.types import Float32

# Where a place in a file can be gone to, so far before it: more than a step and a run-in.
RUN_UP_S = 2.5


class _Closed(Exception):  # noqa: N818  # no error: the end of a wait that isn't wanted any more
    pass


class FileSource:
    """Plays a file as a live source: a thread decodes ahead, `read` never waits.

    What can't be read of it is silence, and said at once.

    Parameters
    ----------
    path
        The file.
    sample_rate, channels
        Of the model; the file is converted.
    choice
        Which of its tracks, and of its channels.
    effect
        Applied to all sound, (C, N) to (C, N), while it is decoded.
    on_notice
        Told, on the decoder's thread, what isn't played as it is in the file.
    begin_at
        Where to begin, in samples of the model: there or a little before, where a sample of the
        file falls on one of the model's. What is before is decoded too, so that from there on the
        samples are those that a whole run gives, in any format.
    waiting
        Called while a pipe gives nothing; what it raises ends the wait.

    Attributes
    ----------
    begins_at
        Where it does.
    """

    latency = 0
    drift_ppm = measured = None
    AHEAD_S = 2.0
    # Before the start: a resampler's filter is full by then.
    RUN_IN_S = 0.1

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        channels: int,
        choice: SoundChoice = WHOLE,
        effect: Callable[[Float32], Float32] | None = None,
        on_notice: OnNotice | None = None,
        begin_at: int = 0,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        self._closing, self._waiting = threading.Event(), waiting
        self._reader = AudioReader(
            path,
            choice=choice,
            on_notice=on_notice,
            waiting=self._go_on,
            from_s=max(begin_at / sample_rate - RUN_UP_S, 0.0),
        )
        self._effect = effect
        self._channels = channels
        self._resampler = StreamResampler(
            self._reader.sample_rate, sample_rate, self._reader.channels
        )
        step = sample_rate // math.gcd(sample_rate, self._reader.sample_rate)
        self.begins_at = begin_at - begin_at % step
        run_in = min(math.ceil(self.RUN_IN_S * sample_rate / step) * step, self.begins_at)
        self._skip = (self.begins_at - run_in) * self._reader.sample_rate // sample_rate
        self._skip -= self._reader.begun
        self._run_in = run_in
        self._ring = RingBuffer((channels,), int(self.AHEAD_S * sample_rate))
        self._decoded, self._closed_once = threading.Event(), threading.Lock()
        self._ended = False
        self.fault: StreamsepError | None = None
        self._thread = threading.Thread(target=self._decode, name="streamsep-decoder", daemon=True)

    @property
    def notices(self) -> Notices:
        """What wasn't played as it is in the file, so far."""
        return self._reader.notices

    @property
    def samples(self) -> int:
        """Samples given so far, at the model's rate."""
        return self._ring.read_position

    @property
    def path(self) -> Path:
        """The file."""
        return self._reader.path

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once, from its beginning."""
        return self._reader.is_pipe

    @property
    def duration_s(self) -> float | None:
        """How long the whole file is, as far as it tells."""
        reader = self._reader
        return reader.frames / reader.sample_rate if reader.frames else None

    @property
    def finished(self) -> bool:
        """Whether the whole file has been read."""
        return self._ended and self._ring.available <= 0

    def ready(self) -> bool:
        """A started file is ready at once, a pipe when something has come through it."""
        return self._decoded.is_set()

    def start(self) -> None:
        """Start decoding, and wait for the first samples of a file."""
        self._thread.start()
        if not self._reader.is_pipe:
            self._decoded.wait()

    def wait_for(self, samples: int, stop: threading.Event) -> None:
        """Wait until so many can be read, no more come, or for ``stop``; not for a clock's thread.

        They are fewer than AHEAD_S.
        """
        while self._ring.available < samples and not self._ended and not stop.is_set():
            time.sleep(0.001)

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C); see `Source.read`. The last block is padded with silence."""
        if due == -math.inf:
            out.fill(0.0)
            return 0
        ended = self._ended  # first: what is decoded last comes before it
        count = self.take(out)
        out[count:] = 0.0
        return 0 if count == len(out) or ended else 1

    def take(self, out: Float32) -> int:
        """Fill the beginning of (n, C) with what is there, and return how much that is."""
        count = min(len(out), max(self._ring.available, 0))
        self._ring.read(out[:count].T)
        return count

    def close(self) -> None:
        """Stop decoding and close the file."""
        self._closing.set()
        with self._closed_once:  # FFmpeg aborts where two threads close a file at once
            if self._thread.ident is not None:
                self._thread.join()
            self._reader.close()

    def _decode(self) -> None:
        try:
            for chunk in self._reader.chunks():
                skipped = min(self._skip, chunk.shape[-1])
                self._skip -= skipped
                if skipped < chunk.shape[-1]:
                    self._put(self._resampler.process(chunk[:, skipped:]))
                if self._closing.is_set():
                    return
            nothing = np.zeros((self._reader.channels, 0), np.float32)
            self._put(self._resampler.process(nothing, last=True))
        except _Closed:
            pass
        except Exception as error:  # of a library or an effect too: an end that is told
            self.fault = as_streamsep_error(error, str(self._reader.path))
        finally:
            self._ended = True
            self._decoded.set()

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise _Closed
        self._waiting()

    def _put(self, sound: Float32) -> None:
        left_out = min(self._run_in, sound.shape[-1])
        self._run_in -= left_out
        sound = match_channels(sound[:, left_out:], self._channels)
        step = self._ring.capacity // 4
        for start in range(0, sound.shape[-1], step):
            part = sound[:, start : start + step]
            if self._effect is not None:
                part = self._effect(part)
            while part.shape[-1] > self._ring.capacity - self._ring.available:
                self._decoded.set()
                if self._closing.wait(0.02):
                    return
            self._ring.write(part)
        if self._reader.is_pipe and self._ring.available:
            self._decoded.set()  # what comes slowly is played as it comes
