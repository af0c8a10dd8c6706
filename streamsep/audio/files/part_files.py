"""Files under temporary names: each opened by one maker alone, and removed by nobody else.

A maker holds a lock on its file as long as it lives; what nobody holds was left by one that was
killed. So two runs of the same command don't disturb each other, whatever their targets.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from streamsep.errors import OutputError

try:
    import fcntl
except ImportError:  # on Windows, where a file that is open can't be removed anyway
    fcntl = None  # type: ignore[assignment]

# Files of this process that have no other name yet. An interrupt between two lines, where nobody
# knows of a new file but this list, leaves it to the end of the process.
_unfinished: set[Path] = set()

LONGEST_NAME = 255  # bytes
NAME = re.compile(r"\..*\.\d+-[0-9a-f]{8}\.part\.\w+", re.DOTALL)


def is_part_file(path: Path) -> bool:
    """Say whether a file's name is one of these."""
    return NAME.fullmatch(path.name) is not None


class PartFile:
    """A file that gets its target's name when it is whole.

    Parameters
    ----------
    target
        Its folder is there.

    Raises
    ------
    OutputError
        If no file can be made there.
    """

    def __init__(self, target: Path) -> None:
        _refuse_other_than_files(target)
        self.target = target
        self._fd = -1
        while self._fd < 0:
            self.path = target.with_name(_part_name(target))
            _unfinished.add(self.path)
            try:
                self._fd = _open_locked(self.path)
            except FileExistsError:
                _unfinished.discard(self.path)  # another's
            except (OSError, ValueError) as error:
                _unfinished.discard(self.path)
                raise _not_made(target, error) from error

    def take_place(self) -> None:
        """Give the file its target's name, whatever was there.

        Raises
        ------
        OutputError
            If that can't be.
        """
        if fcntl is None:  # Windows renames no open file
            self._release()
        try:
            os.replace(self.path, self.target)
        except OSError as error:
            raise OutputError(
                f"{self.target} can't be written ({error.strerror})",
                expected="a name that is free, or an older stem",
                remedy="choose another folder",
            ) from error
        # Not before: a file that nobody holds is taken for a leftover.
        self._release()
        _unfinished.discard(self.path)

    def discard(self) -> None:
        """Remove the file, if it is still there under this name."""
        self._release()
        with suppress(OSError):
            self.path.unlink()
        _unfinished.discard(self.path)

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@atexit.register
def _remove_unfinished() -> None:
    for path in _unfinished:
        if f".{os.getpid()}-" in path.name:  # a process that was forked has its maker's list
            with suppress(OSError):
                path.unlink()


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a name to write to, which becomes the target's once all is written; else nothing stays.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    part = PartFile(target)
    try:
        yield part.path
        part.take_place()
    except OSError as error:
        raise OutputError(
            f"{target} can't be written ({error.strerror or error})",
            expected="a writable folder with room",
            remedy="choose another place",
        ) from error
    finally:
        part.discard()


@contextmanager
def one_at_a_time(folders: Iterable[Path]) -> Iterator[None]:
    """Keep other runs from giving files their names in the same folders meanwhile.

    So the stems of a song are all of one run.
    """
    with ExitStack() as stack:
        for folder in sorted({os.path.realpath(folder) for folder in folders}):
            if fcntl is None:
                break
            with suppress(OSError):  # on file systems without locks
                fd = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove what killed runs left in folders."""
    for folder in set(folders):
        with suppress(OSError):
            for entry in os.scandir(folder):
                if NAME.fullmatch(entry.name):
                    _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    if fcntl is None:
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(fd)


def _open_locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    if fcntl is None:
        return fd
    with suppress(OSError):  # on file systems without locks
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fstat(fd).st_nlink == 0:  # somebody took it for a leftover before it was locked
        os.close(fd)
        return -1
    return fd


def _part_name(target: Path) -> str:
    tail = f".{os.getpid()}-{secrets.token_hex(4)}.part{target.suffix}"
    room = LONGEST_NAME - len(os.fsencode(tail)) - 1
    # The target's own name may be as long as names can be.
    stem = os.fsencode(target.stem)[: max(room, 1)]
    return "." + stem.decode(errors="ignore") + tail


def _refuse_other_than_files(target: Path) -> None:
    """Refuse a pipe or a device: a file in its place would leave whoever reads it without one."""
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        raise OutputError(
            f"{target} can't be written (it is {'a folder' if stat.S_ISDIR(mode) else 'no file'})",
            expected="a name that is free, or that of a file",
            remedy="choose another",
        )


def _not_made(target: Path, error: Exception) -> OutputError:
    folder = target.parent
    if not os.path.isdir(folder):
        why = f"no folder {folder}"
    elif isinstance(error, PermissionError):
        why = f"no permission to write in {folder}"
    else:
        why = getattr(error, "strerror", None) or str(error)
    return OutputError(
        f"{target} can't be written ({why})",
        expected="a writable folder with room",
        remedy="choose another place",
    )
