"""A file that waits in memory until it is saved: in few calls, and once more where one failed."""

from __future__ import annotations

import io
from pathlib import Path


class WriteBehindFile:
    """What libsndfile writes to in place of a file; it sees each write succeed.

    A disk that takes a tenth of a second for each call is fast enough for few of them, and of one
    that is full nothing is lost as long as memory holds it.

    Parameters
    ----------
    path
        A regular file, which is emptied.

    Raises
    ------
    OSError
        If it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._waiting: list[tuple[int, bytearray]] = []  # places, and what is to be there
        self._position = self._size = 0

    def write(self, data: bytes) -> int:
        """Take all of it, to be saved later; return how many bytes that were."""
        place, size = self._position, len(data)
        if self._waiting and place == self._waiting[-1][0] + len(self._waiting[-1][1]):
            self._waiting[-1][1].extend(data)
        else:
            # What is written anew, as a header is, comes after what it tells of.
            self._waiting = [w for w in self._waiting if (w[0], len(w[1])) != (place, size)]
            self._waiting.append((place, bytearray(data)))
        self._position += size
        self._size = max(self._size, self._position)
        return size

    def save(self) -> None:
        """Have all that waits in the file.

        Raises
        ------
        OSError
            If that fails; the next call goes on from there.
        """
        while self._waiting:
            place, data = self._waiting[0]
            self._file.seek(place)
            done = self._file.write(data)
            self._waiting[0] = (place + done, data[done:])
            if len(data) == done:
                del self._waiting[0]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place; see `io.IOBase.seek`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the place of the next write."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return nothing: who writes sound has no need to read it."""
        return b""

    def close(self) -> None:
        """Close the file; what wasn't saved isn't in it."""
        self._file.close()
