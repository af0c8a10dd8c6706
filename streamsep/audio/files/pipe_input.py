"""Sound that comes through a pipe, and can be read once, as it comes."""

from __future__ import annotations

import os
import select
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from streamsep.audio.files.file_starts import OVERLAP, last_start

STDIN = Path("/dev/stdin")  # what the name "-" means
PIECE = 2**16
WAIT_S = 0.2


def is_pipe(path: Path) -> bool:
    """Say whether what is at a path can be read only once: a pipe, a FIFO, a terminal."""
    try:
        mode = (os.fstat(0) if path == STDIN else path.stat()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


class PipeInput:
    """Bytes of a pipe, for PyAV; it waits for them, but never longer than asked.

    Parameters
    ----------
    path
        STDIN, a FIFO, or what a shell puts for ``<(…)``.
    waiting
        Called every WAIT_S while nothing comes; what it raises ends the wait.

    Attributes
    ----------
    last_start
        Where in all that came the last file began, as far as that tells.
    """

    def __init__(self, path: Path, waiting: Callable[[], object]) -> None:
        self.name = str(path)
        self._waiting = waiting
        if path == STDIN:
            self._fd = os.dup(0)
            if sys.platform == "win32":
                import msvcrt

                msvcrt.setmode(self._fd, os.O_BINARY)
        else:
            # Without waiting for somebody who writes: `read` does, and can be ended.
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        self._ahead = b""  # read already
        self._taken, self._tail = 0, b""
        self.last_start = 0

    def read(self, size: int = PIECE) -> bytes:
        """Return some bytes, none at the end."""
        if self._ahead:
            piece, self._ahead = self._ahead[:size], self._ahead[size:]
            return piece
        while True:
            self._wait()
            try:
                piece = os.read(self._fd, size)
            except BlockingIOError:
                continue
            self._note_starts(piece)
            return piece

    def peek(self, size: int) -> bytes:
        """Return the next bytes, at most so many, and keep them."""
        pieces, found = [self._ahead], len(self._ahead)
        self._ahead = b""
        while found < size and (piece := self.read(min(PIECE, size - found))):
            pieces.append(piece)
            found += len(piece)
        self._ahead = b"".join(pieces)
        return self._ahead[:size]

    def hide(self, places: Iterable[int]) -> None:
        """Have four bytes each be zeros, of those that were looked at and nothing was read of."""
        data = bytearray(self._ahead)
        for place in places:
            data[place : place + 4] = bytes(4)
        self._ahead = bytes(data)

    def _note_starts(self, piece: bytes) -> None:
        self._taken += len(piece)
        data = self._tail + piece
        if (place := last_start(data)) is not None:
            self.last_start = self._taken - len(data) + place
        self._tail = data[-2 * OVERLAP :]

    def goes_on(self) -> bool:
        """Say whether more comes; waits for it or the end."""
        return bool(self.peek(1))

    def as_file(self) -> BinaryIO:
        """Return all that comes as a file without a name, which goes when it is closed."""
        file = tempfile.TemporaryFile(prefix="streamsep-")  # noqa: SIM115  # given away
        try:
            while piece := self.read():
                file.write(piece)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def close(self) -> None:
        """Close it; whoever writes is told."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _wait(self) -> None:
        if sys.platform == "win32":
            return  # where only sockets can be waited for
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLHUP)
        while not poll.poll(1_000 * WAIT_S):
            self._waiting()


@contextmanager
def regular_file(path: Path, waiting: Callable[[], object]) -> Iterator[Path]:
    """Give a file's path, or that of a copy of what comes through a pipe, for a while."""
    if not is_pipe(path):
        yield path
        return
    with closing(PipeInput(path, waiting)) as pipe, tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / (path.name or "pipe")
        with copy.open("wb") as file:
            while piece := pipe.read():
                file.write(piece)
        yield copy
