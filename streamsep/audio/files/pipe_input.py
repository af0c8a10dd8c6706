"""Sound that comes through a pipe, and can be read once, as it comes."""

from __future__ import annotations

import os
import select
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

STDIN = Path("/dev/stdin")  # what the name "-" means
PIECE = 2**16
WAIT_S = 0.2
MOOV_LATER = 2**20  # bytes at the beginning of an MP4 that say where its index is


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

    def read(self, size: int = PIECE) -> bytes:
        """Return some bytes, none at the end."""
        if self._ahead:
            piece, self._ahead = self._ahead[:size], self._ahead[size:]
            return piece
        while True:
            self._wait()
            try:
                return os.read(self._fd, size)
            except BlockingIOError:
                continue

    def peek(self, size: int) -> bytes:
        """Return the next bytes, at most so many, and keep them."""
        pieces, found = [self._ahead], len(self._ahead)
        self._ahead = b""
        while found < size and (piece := self.read(min(PIECE, size - found))):
            pieces.append(piece)
            found += len(piece)
        self._ahead = b"".join(pieces)
        return self._ahead[:size]

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


def index_comes_last(head: bytes) -> bool:
    """Say whether the beginning of a file is that of an MP4 whose index follows the sound."""
    if head[4:8] != b"ftyp":
        return False
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind in (b"moov", b"moof"):
            return False
        if kind == b"mdat":
            return True
        if size == 1:
            size = int.from_bytes(head[at + 8 : at + 16], "big")
        if size < 8:
            return False
        at += size
    return True
