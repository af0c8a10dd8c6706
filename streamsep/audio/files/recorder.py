"""Recording the output: its own bounded ring, its own thread, never in the music's way."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from streamsep.audio.files.sound_writer import AudioWriter
from streamsep.dsp.ring import RingBuffer
from streamsep.errors import OutputError, StreamsepError, as_streamsep_error
from streamsep.types import Float32

# Of a disk that may have room again.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Recorder:
    """A tap that writes what passes to a file.

    What a full or slow disk doesn't take waits in memory, for BUFFER_S; what is beyond it is
    silence in the recording, so that all that follows is in its place. A disk that fails ends
    the recording, not the music: `fault` tells, and what was written stays. Memory is constant,
    and a process that is killed leaves a file that plays, to within POLL_S and what the format's
    encoder holds back.

    Parameters
    ----------
    path
        The file; its suffix says the format. Where an older one has the name, it gets a number.
    sample_rate, channels
        Of the session.
    block_size
        Samples per `push`.
    skip
        Samples to leave out at the start: the session's latency, so that the file begins with
        the first sample that came in.
    limit
        Asked before each write: samples that the file may hold, or None while not known. A
        recorded file ends where its source did.
    overwrite
        Let the recording replace an older one of its name at the end, if anything was recorded.
    failed
        Told on the recorder's thread, at once, why a recording ends early.
    delayed
        Told there why the disk takes no more for now.
    silenced
        Told there of a silence in the place of what was lost: where it begins, and its samples.
    clipped
        Told there when the first sample is cut at full scale.

    Attributes
    ----------
    path
        The file that is written; at the end the one that it became.

    Raises
    ------
    OutputError
        If the file can't be opened.
    """

    BUFFER_S = 10.0
    POLL_S = 0.05
    PART_S = 0.5

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        *,
        block_size: int,
        skip: int = 0,
        limit: Callable[[], int | None] = lambda: None,
        overwrite: bool = False,
        failed: Callable[[StreamsepError], None] = lambda error: None,
        delayed: Callable[[StreamsepError], None] = lambda error: None,
        silenced: Callable[[int, int], None] = lambda start, count: None,
        clipped: Callable[[], None] = lambda: None,
    ) -> None:
        self._asked, self._overwrite = path, overwrite
        self.path, self._is_own = _new_file(path)
        try:
            # What is no regular file may not be sought, and takes what comes.
            self._writer = AudioWriter(self.path, sample_rate, channels, behind=self._is_own)
        except BaseException:
            self._discard()
            raise
        capacity = max(int(self.BUFFER_S * sample_rate), 4 * block_size)
        self._ring = RingBuffer((channels,), capacity)
        # Saved at once: a disk that fails takes no more than that along.
        self._chunk = np.zeros(
            (channels, max(int(self.PART_S * sample_rate), block_size)), np.float32
        )
        self._skip = skip
        self._limit, self._failed, self._clipped = limit, failed, clipped
        self._delayed, self._silenced = delayed, silenced
        self._told_clipped = self._told_delayed = False
        self._given = 0  # samples that the file has, or gets when it is saved
        self._missing = 0  # of silence, still to be given
        self.written = 0  # samples in the file
        self.lost = 0  # of these the silence in the place of what the disk was too slow for
        self.fault: StreamsepError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamsep-recorder", daemon=True)
        self._thread.start()

    def push(self, block: Float32) -> None:
        """Take (C, N) in on the audio thread."""
        self._ring.write(block)

    def close(self) -> None:
        """Write what is left and finish the file, so that it plays."""
        self._stopping.set()
        self._thread.join()
        try:
            self._writer.close()
            self.written = self._given
        except OutputError as error:
            self.fault = self.fault or error
        if not self.written:
            self._discard()
        elif self._overwrite and self.path != self._asked:
            with suppress(OSError):  # it stays under its own name
                os.replace(self.path, self._asked)
                self.path = self._asked

    @property
    def cut(self) -> tuple[int, float]:
        """How many samples were beyond full scale, and cut there, and the loudest."""
        return self._writer.cut, self._writer.peak

    def _discard(self) -> None:
        """Remove a file without a sample, if it was made here."""
        if self._is_own:
            with suppress(OSError):
                self.path.unlink()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self.POLL_S):
                self._drain()
            self._drain()
        except Exception as error:  # of a library too: it ends the recording, and is told
            self.fault = as_streamsep_error(error, str(self.path))
            self._failed(self.fault)

    def _drain(self) -> None:
        """Write what waits, to its end or until the disk takes no more for now."""
        while self._saved() and (waiting := self._ring.available) > 0:
            if self._ring.overrun:
                self._lose(waiting - self._ring.capacity // 2)
            count = self._missing or min(waiting, self._ring.available)
            part = self._chunk[:, : min(count, self._chunk.shape[-1])]
            if self._missing:
                part.fill(0.0)
                self._missing -= part.shape[-1]
                self._write(part)
            elif self._ring.read(part):
                self._write(part)

    def _lose(self, count: int) -> None:
        """Have silence in the place of the oldest samples."""
        self._ring.advance(count)
        self._silenced(self._given + self._missing, count)
        self._missing += count
        self.lost += count

    def _saved(self) -> bool:
        """Say whether all that was given is in the file, and see to it."""
        if self._given > self.written:
            try:
                self._writer.save()
            except OutputError as error:
                if getattr(error.__cause__, "errno", None) not in NO_ROOM:
                    raise
                if not self._told_delayed:
                    self._told_delayed = True
                    self._delayed(error)
                return False
            self.written, self._told_delayed = self._given, False
        return True

    def _write(self, part: Float32) -> None:
        skipped = min(self._skip, part.shape[-1])
        self._skip -= skipped
        part = part[:, skipped:]
        limit = self._limit()
        if limit is not None:
            part = part[:, : max(limit - self._given, 0)]
        self._writer.write(part)
        self._given += part.shape[-1]
        if self._writer.cut and not self._told_clipped:
            self._told_clipped = True
            self._clipped()


def _new_file(path: Path) -> tuple[Path, bool]:
    """Return a name that nothing has, with a number if need be, and whether a file was made of it.

    What is no file, such as a device, is taken as it is; what can't be made is said by the writer.
    """
    for number in count(1):
        name = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            if not os.path.isfile(name):
                return name, False
        except (OSError, ValueError):
            return path, False
        else:
            return name, True
    raise AssertionError("there is a number for each")
