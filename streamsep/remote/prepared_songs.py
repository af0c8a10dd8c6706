"""Songs that are separated before their turn, by the best model, in a cache of bounded size."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from streamsep import __version__
from streamsep.audio.files.output_folder import make_folder
from streamsep.errors import StreamsepError, printable

STEM = "vocals"  # what a song leaves beside them is the beat, to the sample
LEAST_FREE = 500 * 2**20  # bytes that are left on the disk for others
WAIT_S = 5.0


class PreparedSongs:
    """Has songs separated one after the other, in a process of its own that gives way to all else.

    Parameters
    ----------
    folder
        Of the cache.
    limit
        Its size in bytes; what wasn't played for longest goes first.
    say
        Told which song couldn't be separated, and why.
    command
        Separates a song: called with its file and the folder, it writes ``vocals.flac`` there, and
        shares of the work that are done to standard output, one a line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit: int,
        say: Callable[[str], object] = lambda line: None,
        command: Sequence[str] = (sys.executable, "-m", "streamsep.remote.separate_ahead"),
    ) -> None:
        self._folder, self._limit, self._say, self._command = folder, limit, say, tuple(command)
        self._wanted: list[Path] = []
        self._failed: set[str] = set()
        self._working: tuple[Path, float] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lock, self._changed = threading.Lock(), threading.Event()
        self._closing = False
        self._told_full = False
        self._thread = threading.Thread(target=self._run, name="streamsep-prepare", daemon=True)

    def start(self) -> None:
        """Begin; what is wanted may be said before."""
        self._thread.start()

    def close(self) -> None:
        """End what is under way: nothing half done stays."""
        with self._lock:
            self._closing = True
        self._changed.set()
        self._end_process()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def working(self) -> tuple[Path, float] | None:
        """The song that is being separated, and the share of it that is done."""
        return self._working

    def find(self, song: Path) -> dict[str, Path] | None:
        """Return the files of a song's stems by their names, None if they aren't ready."""
        key = _key(song)
        if key is None:
            return None
        file = self._folder / key / f"{STEM}.flac"
        return {STEM: file} if os.path.isfile(file) else None

    def want(self, songs: Sequence[Path]) -> None:
        """Have these separated, the first one first, and give up on others."""
        with self._lock:
            if list(songs) == self._wanted:
                return
            first = songs[0] if songs else None
            played = (
                first if first is not None and first != next(iter(self._wanted), None) else None
            )
            self._wanted = list(songs)
            working = self._working
        if played is not None and (found := self.find(played)):
            with suppress(OSError):
                os.utime(found[STEM])  # it goes last
        if working is not None and working[0] not in songs:
            self._end_process()
        self._changed.set()

    def _end_process(self) -> None:
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def _run(self) -> None:
        while not self._closing:
            self._changed.clear()
            song = self._next()
            if song is None:
                self._changed.wait(WAIT_S)
            else:
                try:
                    self._prepare(song)
                except (OSError, StreamsepError) as error:
                    self._fail(song, str(error))

    def _next(self) -> Path | None:
        with self._lock:
            wanted = list(self._wanted)
        for song in wanted:
            key = _key(song)
            if key is not None and key not in self._failed and self.find(song) is None:
                return song if self._has_room() else None
        return None

    def _has_room(self) -> bool:
        with suppress(OSError, StreamsepError):
            make_folder(self._folder)
            if shutil.disk_usage(self._folder).free >= LEAST_FREE:
                self._told_full = False
                return True
        if not self._told_full:
            self._say(
                f"songs aren't separated ahead: {self._folder} can't be written, or its disk is "
                "full; they are separated while they play"
            )
            self._told_full = True
        return False

    def _prepare(self, song: Path) -> None:
        key = _key(song)
        if key is None:
            return
        target = self._folder / key
        make_folder(target)
        self._working = (song, 0.0)
        process = subprocess.Popen(
            [*self._command, str(song), str(target)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        with self._lock:
            self._process = process
            unwanted = self._closing or song not in self._wanted
        if unwanted:  # since it was chosen
            process.terminate()
        try:
            with process:
                told = threading.Thread(target=self._read_shares, args=(process, song), daemon=True)
                told.start()
                errors = process.stderr.read() if process.stderr else ""
                told.join()
        finally:
            self._working = self._process = None
        if self.find(song) is None:
            shutil.rmtree(target, ignore_errors=True)
            with self._lock:
                still = song in self._wanted and not self._closing
            if still:
                lines = errors.strip().splitlines()
                self._fail(song, lines[-1] if lines else f"ended with {process.returncode}")
        self._evict()

    def _read_shares(self, process: subprocess.Popen[str], song: Path) -> None:
        for line in process.stdout or ():
            with suppress(ValueError):
                self._working = (song, min(1.0, max(0.0, float(line))))

    def _fail(self, song: Path, why: str) -> None:
        if (key := _key(song)) is not None:
            self._failed.add(key)
        name = printable(song.stem)[:60]
        self._say(f"{name} isn't separated ahead ({printable(why)[:200]})")

    def _evict(self) -> None:
        """Remove what wasn't played for longest, but nothing that is wanted, until it fits."""
        with self._lock:
            kept = {_key(song) for song in self._wanted}
        stems = []
        with suppress(OSError):
            for folder in os.scandir(self._folder):
                file = os.path.join(folder.path, f"{STEM}.flac")
                with suppress(OSError):
                    status = os.stat(file)
                    stems.append((status.st_mtime, status.st_size, folder))
        total = sum(size for _, size, _ in stems)
        for _, size, folder in sorted(stems, key=lambda stem: stem[0]):
            if total <= self._limit:
                return
            if folder.name not in kept:
                shutil.rmtree(folder.path, ignore_errors=True)
                total -= size


def _key(song: Path) -> str | None:
    """Return what tells a song's file, as it is now, from all others; None if it has gone."""
    try:
        status = os.stat(song)
    except (OSError, ValueError):
        return None
    parts = (os.path.realpath(song), status.st_size, status.st_mtime_ns, __version__)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
