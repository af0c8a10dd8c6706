"""Recording the output: its own bounded ring, its own thread, never in the music's way."""

from __future__ import annotations

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


class Recorder:
    """A tap that writes what passes to a file.

    A full disk ends the recording, not the music: `fault` tells, and what was written stays.
    Memory is constant, and a process that is killed leaves a file that plays, to within POLL_S
    and what the format's encoder holds back.

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
        clipped: Callable[[], None] = lambda: None,
    ) -> None:
        self._asked, self._overwrite = path, overwrite
        self.path, self._is_own = _new_file(path)
        try:
            self._writer = AudioWriter(self.path, sample_rate, channels)
        except BaseException:
            self._discard()
            raise
        capacity = max(int(self.BUFFER_S * sample_rate), 4 * block_size)
        self._ring = RingBuffer((channels,), capacity)
        self._chunk = np.zeros((channels, capacity // 4), np.float32)
        self._piece = block_size
        self._skip = skip
        self._limit, self._failed, self._clipped = limit, failed, clipped
        self._told_clipped = False
        self.written = 0  # samples in the file
        self.lost = 0  # samples the disk was too slow for
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
        while (waiting := self._ring.available) > 0:
            if self._ring.overrun:
                self.lost += waiting - self._ring.capacity // 2
                self._ring.advance(waiting - self._ring.capacity // 2)
                continue
            part = self._chunk[:, : min(waiting, self._chunk.shape[-1])]
            if self._ring.read(part):
                self._write(part)
                self._writer.save()

    def _write(self, part: Float32) -> None:
        skipped = min(self._skip, part.shape[-1])
        self._skip -= skipped
        part = part[:, skipped:]
        limit = self._limit()
        if limit is not None:
            part = part[:, : max(limit - self.written, 0)]
        for start in range(0, part.shape[-1], self._piece):
            piece = part[:, start : start + self._piece]
            self._writer.write(piece)  # may fail in the middle: small pieces, a true count
            self.written += piece.shape[-1]
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
