"""Songs, one after the other without a gap, as one live source."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.stem_files import StemFiles
from streamsep.errors import StreamsepError
from streamsep.types import Float32

# Both ends of a loop's seam fade for so long, or it would click.
SEAM_SAMPLES = 256
# Where songs began is remembered for so long after it was given: longer than any latency.
KEPT_S = 60.0


@dataclass(slots=True, eq=False)
class Song:
    """A song of a run; the same file twice is two songs.

    Attributes
    ----------
    path
        Its file.
    stems
        Files of its stems, separated before, by their names.
    readers
        What reads them, each from some place on; replaced as a whole.
    asks
        Whether somebody would read them here, and there is nothing to read them with.
    duration_s
        How long it is, None where nothing tells or it hasn't been opened yet.
    is_pipe
        Whether it can be read only once, as known once it has been opened.
    """

    path: Path
    stems: Mapping[str, Path] = field(default_factory=dict)
    readers: tuple[StemFiles, ...] = ()
    asks: bool = False
    duration_s: float | None = None
    is_pipe: bool = False


class Place(NamedTuple):
    """A song and a sample of it, at the model's rate; None where nothing plays."""

    song: Song | None
    sample: int


class Span(NamedTuple):
    """So many samples of a song from one on; None where nothing plays."""

    song: Song | None
    sample: int
    length: int


class _Mark(NamedTuple):
    """From which of the samples given on it is which place in which song."""

    at: int
    song: Song | None
    sample: int
    seam: bool = False  # a part of the song comes again


class SongSource:
    """Plays one file after the other as a live source: `read` never waits.

    Where a file ends, the next one goes on in the same block, if it has been put in by `follow` by
    then; else there is silence until it is. All but `read` is for one other thread, `play` only
    while nobody reads.

    Parameters
    ----------
    sample_rate, channels
        Of the model.

    Attributes
    ----------
    more
        Whether something may follow when the last file has ended.
    tail
        Asked for how many samples after its end the last one is still to be heard.
    last
        The song that was begun last.
    fault
        Why a file ended before its time, the first one.
    """

    latency = 0
    drift_ppm = measured = None

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self.more = False
        self.tail: Callable[[], int] = lambda: 0
        self.last: Song | None = None
        self.fault: StreamsepError | None = None
        self._file: FileSource | None = None
        self._song: Song | None = None
        self._sample = 0  # of the song, to be given next
        self._until: int | None = None  # sample of the song at which the next one follows
        self._next: tuple[Song, FileSource] | None = None
        self._given = 0
        self._rising = 0  # samples of a seam's fade that are to come
        self._marks: tuple[_Mark, ...] = (_Mark(0, None, 0),)
        self._done: deque[FileSource] = deque()
        self._leaving: list[FileSource] = []
        self._reaping = threading.Lock()
        self._closed = False
        self._ramp = (np.arange(1, SEAM_SAMPLES + 1) / SEAM_SAMPLES).astype(np.float32)[:, None]

    @property
    def end(self) -> int | None:
        """How many samples were given when the last song had ended; None while one plays."""
        last = self._marks[-1]
        return last.at if self._file is None and self._next is None and not self.more else None

    @property
    def finished(self) -> bool:
        """Whether all has been given, and heard."""
        return self.end is not None and self._given - self.end >= self.tail()

    @property
    def waiting(self) -> bool:
        """Whether there is room for another to follow."""
        return self._next is None

    @property
    def reading(self) -> Place:
        """What is given next."""
        return Place(self._song, self._sample)

    def place(self, index: int) -> Place:
        """Return what the sample ``index`` of all that were given is, or will be as it looks."""
        marks = self._marks
        for mark in reversed(marks):
            if mark.at <= index:
                return Place(mark.song, mark.sample + index - mark.at)
        return Place(None, 0)

    def spans(self, index: int, count: int) -> list[Span]:
        """Return what so many samples from ``index`` on are, in order."""
        spans, marks, end = [], self._marks, index + count
        for number, mark in enumerate(marks):
            until = marks[number + 1].at if number + 1 < len(marks) else end
            first, last = max(mark.at, index), min(until, end)
            if first < last:
                spans.append(Span(mark.song, mark.sample + first - mark.at, last - first))
        known = sum(span.length for span in spans)
        return [Span(None, 0, count - known), *spans] if known < count else spans

    def fades(self, index: int, count: int) -> Float32 | None:
        """Return the gains (count,) of samples from ``index`` on, None where all are one."""
        gains: Float32 | None = None
        for mark in self._marks:
            if not mark.seam or not index - SEAM_SAMPLES < mark.at < index + count + SEAM_SAMPLES:
                continue
            after = np.arange(index, index + count) - mark.at  # so many samples after the seam
            near = np.where(after < 0, -after, after + 1) / SEAM_SAMPLES
            fade = np.minimum(near, 1.0).astype(np.float32)
            gains = fade if gains is None else gains * fade
        return gains

    def begun(self, after: int, last: int) -> list[Song | None]:
        """Return what began with the samples that follow ``after``, up to ``last``; in order."""
        return [mark.song for mark in self._marks if after < mark.at <= last]

    def ready(self) -> bool:
        """Silence can be given at once."""
        return True

    def start(self) -> None:
        """Nothing is to be done: files are started by who opens them."""

    def play(self, song: Song | None, file: FileSource | None) -> None:
        """Go on with this, now; nobody may be reading."""
        if self._file is not None:
            self._done.append(self._file)
        self.drop_next()
        self._until, self._rising = None, 0
        self._file = file
        self._begin(song, file.begins_at if file else 0)

    def follow(self, song: Song, file: FileSource, until: int | None = None) -> None:
        """Let this follow, at the end of the present file or where its sample ``until`` would be.

        With the same song it is a loop, whose seam is faded.
        """
        self._until = until
        self._next = (song, file)  # last: whoever reads looks for it first

    def drop_next(self) -> None:
        """Let nothing follow, unless it does already."""
        following, self._next, self._until = self._next, None, None
        if following is not None:
            self._done.append(following[1])

    def wait_for(self, samples: int, stop: threading.Event) -> None:
        """Wait until so many can be read at once, or never will; see `FileSource.wait_for`."""
        if (file := self._file) is not None:
            file.wait_for(samples, stop)

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill (n, C); see `Source.read`."""
        if due == -math.inf:
            out.fill(0.0)
            return 0
        count = lost = 0
        while count < len(out):
            file, following, until = self._file, self._next, self._until
            if file is None:
                if not self._go_on(following, count):
                    break
                continue
            part = out[count:]
            if following is not None and until is not None:
                part = part[: max(until - self._sample, 0)]
            if file.finished or not len(part):
                self._leave(following, count)
                continue
            got = file.take(part)
            if following is not None and until is not None and following[0] is self._song:
                self._fall(part[:got], until - self._sample)
            self._rise(part[:got])
            self._sample += got
            count += got
            if got < len(part) and not file.finished:  # it comes too late
                lost = 1
                break
        out[count:] = 0.0
        self._given += len(out)
        if lost:  # what follows comes later in the time of the session
            self._add(_Mark(self._given, self._song, self._sample))
        return lost

    def _rise(self, sound: Float32) -> None:
        """Fade (n, C) in, as far as it follows a seam."""
        if self._rising:
            start = SEAM_SAMPLES - self._rising
            count = min(len(sound), self._rising)
            sound[:count] *= self._ramp[start : start + count]
            self._rising -= count

    def _fall(self, sound: Float32, left: int) -> None:
        """Fade (n, C) out, as far as the seam is near that comes ``left`` samples on."""
        first = max(left - SEAM_SAMPLES, 0)
        if first < len(sound):
            start = SEAM_SAMPLES - left
            sound[first:] *= self._ramp[::-1][start + first : start + len(sound)]

    def _leave(self, following: tuple[Song, FileSource] | None, count: int) -> None:
        """End the present file, ``count`` samples into what is being read."""
        file, song = self._file, self._song
        if file is not None:
            self.fault = self.fault or file.fault
            self._done.append(file)
        self._file, self._until = None, None
        self._rising = SEAM_SAMPLES if following is not None and following[0] is song else 0
        if not self._go_on(following, count):
            self._begin(None, 0, count)

    def _go_on(self, following: tuple[Song, FileSource] | None, count: int) -> bool:
        """Take the next file, if there is one."""
        if following is None:
            return False
        song, self._file = following
        self._next = None
        self._begin(song, self._file.begins_at, count, seam=bool(self._rising))
        return True

    def _begin(self, song: Song | None, sample: int, count: int = 0, *, seam: bool = False) -> None:
        if song is None and self._song is None:
            return  # the last one's end stays where it was
        self._song, self._sample = song, sample
        self.last = song or self.last
        self._add(_Mark(self._given + count, song, sample, seam))

    def _add(self, mark: _Mark) -> None:
        kept = self._given - int(KEPT_S * self.sample_rate)
        old = sum(later.at < kept for later in self._marks[1:])
        self._marks = (*self._marks[old:], mark)

    def reap(self) -> None:
        """Close the files that have ended; to be called again and again, not too often.

        What was dropped just now may have been taken up at the same moment: it is looked at twice.
        """
        with self._reaping:  # who moves songs and who ends the run may both be at it
            leaving, self._leaving = self._leaving, []
            for file in leaving:
                if file is not self._file:
                    file.close()
            self._leaving = [self._done.popleft() for _ in range(len(self._done))]

    def close(self) -> None:
        """Close all files; what is known of where it was stays."""
        self.drop_next()
        if self._file is not None and not self._closed:
            self._file.close()
        self._closed = True
        self.reap()
        self.reap()
