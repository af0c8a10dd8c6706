"""Standard output and error that never end a program: music and work go on without readers."""

from __future__ import annotations

import errno
import io
import select
import sys
from collections.abc import Callable
from typing import Any, TextIO

STDOUT = 1
PIECE = 4_096  # so much goes into a pipe at once, or waits: POSIX's PIPE_BUF here
PATIENCE_S = 0.5


class LastingFile(io.FileIO):
    """A file to write to that drops what can't be written.

    Parameters
    ----------
    number
        The open file's; not closed with this.
    failed
        Told the first time, why.

    Attributes
    ----------
    patience_s
        How long to wait for a reader that is slow before what can't be written is dropped; None
        to wait for as long as it takes.
    """

    def __init__(self, number: int, failed: Callable[[OSError], object] = lambda error: None):
        super().__init__(number, "w", closefd=False)
        self._failed = failed
        self._told = False
        self.patience_s: float | None = None

    def write(self, data: Any) -> int:
        """Write, or drop it all and say that it was written."""
        size = memoryview(data).nbytes
        try:
            if self.patience_s is not None:
                left = memoryview(data).cast("B")
                while left and self._is_ready(self.patience_s):
                    left = left[super().write(left[:PIECE]) or 0 :]
                return size
            written = super().write(data)
            return size if written is None else written  # a pipe that doesn't wait is full
        except OSError as error:
            if not self._told:
                self._told = True
                self._failed(error)
            return size

    def _is_ready(self, patience_s: float) -> bool:
        if not hasattr(select, "poll"):  # on Windows, where pipes can't be asked
            return True
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        return bool(poll.poll(1_000 * patience_s))


def never_wait_for_readers() -> None:
    """Have standard output and error drop what nobody takes in time: the music can't wait.

    A pipe whose reader stands still would, and a terminal held by Ctrl-S.
    """
    for stream in (sys.stdout, sys.stderr):
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if isinstance(raw, LastingFile):
            raw.patience_s = PATIENCE_S


def lasting_text(
    number: int, like: TextIO, failed: Callable[[OSError], object] = lambda error: None
) -> TextIO:
    """Return a text stream onto an open file, with another's encoding, which never raises.

    Characters that the encoding lacks are replaced.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(LastingFile(number, failed)),
        encoding=like.encoding,
        errors="replace",
        line_buffering=True,
    )


def writes_to(stream: TextIO | None, number: int) -> bool:
    """Say whether a stream goes to the open file of that number."""
    try:
        return stream is not None and stream.fileno() == number
    except (OSError, ValueError):
        return False


def keep_standard_output() -> None:
    """Have standard output go on after a reader that left, a full disk or a lost terminal."""
    if sys.stdout is not None and writes_to(sys.stdout, STDOUT):
        sys.stdout = lasting_text(STDOUT, sys.stdout, _say_once)


def _say_once(error: OSError) -> None:
    """Name what is lost, unless the reader has gone: that is its own wish."""
    if error.errno not in (errno.EPIPE, errno.EIO):
        line = f"streamsep: standard output can't be written ({error.strerror}): going on without"
        print(line, file=sys.stderr)
