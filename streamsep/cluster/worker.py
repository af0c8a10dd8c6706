"""What a worker does: one model, loaded once, and song after song through it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from streamsep import __version__
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.cluster.orders import Outcome, SeparationTask, SongOrder
from streamsep.cluster.part_store import PartStore, split_song
from streamsep.cluster.store import as_path, fetch_song, is_uri, put
from streamsep.errors import AudioFileError, BackendError, StreamsepError, as_streamsep_error
from streamsep.offline.made_from import note_made
from streamsep.offline.song_parts import JoinedParts
from streamsep.offline.stem_writer import write_stems
from streamsep.separation import Separator, load_separator
from streamsep.separation.model_engine import ModelEngine
from streamsep.separation.per_pair import PairSeparators


@dataclass(slots=True)
class _Song:
    """A song as it is on this machine; of a long one it stays from part to part."""

    uri: str
    path: Path
    hash: str


class SongWorker:
    """A separator in a process of its own.

    Parameters
    ----------
    task
        What to load, and how to write.
    """

    def __init__(self, task: SeparationTask) -> None:
        self._task = task
        self._home = _own_folder()
        self._separators: PairSeparators | None = None
        self._song: _Song | None = None

    def load(self) -> str:
        """Load the model, and return the machine's name.

        Raises
        ------
        BackendError
            If this machine has another version of streamsep, or the device can't be had.
        ModelError
            If the model can't be loaded here.
        """
        node = socket.gethostname()
        if self._task.version != __version__:
            raise BackendError(
                f"{node} has streamsep {__version__}, and the run is of {self._task.version}",
                expected="the same version on all machines",
                remedy="install that there",
            )
        model = self._task.model.unpacked(self._home)
        # One core each: whoever starts the workers starts as many as there are cores.
        load = partial(load_separator, model, device=self._task.device, offline=True, cores=1)
        self._separators = PairSeparators(load(), load)
        return node

    @property
    def _separator(self) -> Separator:
        if self._separators is None:
            raise ValueError("no model is loaded")
        return self._separators.first

    def separate(self, order: SongOrder) -> Outcome:
        """Separate a song, or do a part of it; what goes wrong is in what comes back."""
        started, here = time.perf_counter(), self._home / "order"
        separator = self._separator
        here.mkdir()
        try:
            song = self._fetched(order)
            outcome = self._done(order, song, separator, here)
        except Exception as foreign:
            error = as_streamsep_error(foreign, order.song)
            outcome = Outcome(_named(error, self._song, here, order))
        finally:
            shutil.rmtree(here, ignore_errors=True)
        digest = self._song.hash if self._song is not None else ""
        if not outcome.is_share:
            self._let_go()
        return replace(outcome, hash=digest, seconds=time.perf_counter() - started)

    def _done(self, order: SongOrder, song: _Song, separator: Separator, here: Path) -> Outcome:
        if order.split is None:
            split = split_song(order, song.path, song.hash, separator, self._task)
            return Outcome(split=split, is_share=True) if split else self._whole(order, song, here)
        if not isinstance(separator, ModelEngine):
            raise ValueError("no engine that goes on from part to part")
        parts = PartStore(order.parts, order.split, here)
        if not order.joins:
            sound_s = parts.make(separator, song.path, order.number, self._task.choice)
            return Outcome(sound_s=sound_s, is_share=True)
        joined = JoinedParts(separator, parts.files)
        outcome = self._stems(order, song, here, joined)
        return replace(outcome, sound_s=0.0, split=order.split)

    def _whole(self, order: SongOrder, song: _Song, here: Path) -> Outcome:
        return self._stems(order, song, here, self._separator)

    def _stems(self, order: SongOrder, song: _Song, here: Path, separator: Separator) -> Outcome:
        """Write the stems of a song and bring them to their places."""
        notices: list[Notice] = []
        targets = _targets(order, here)
        peaks = write_stems(
            separator,
            song.path,
            targets,
            encoding=self._task.encoding,
            choice=self._task.choice,
            per_pair=self._separators if self._task.keep_layout and not order.joins else None,
            gain=self._task.gain,
            on_progress=lambda share: None,
            on_notice=notices.append,
        )
        with AudioReader(next(iter(targets.values()))) as reader:
            length_s = (reader.frames or 0) / reader.sample_rate
        _publish(order, targets)
        named = (replace(notice, path=as_path(order.song)) for notice in notices)
        return Outcome(peaks=peaks, notices=tuple(named), sound_s=length_s, length_s=length_s)

    def _fetched(self, order: SongOrder) -> _Song:
        """Return a song on this machine, the one that was fetched for another part of it.

        Raises
        ------
        AudioFileError
            If it can't be had, or isn't any more what it was when it was divided.
        """
        if self._song is None or self._song.uri != order.song:
            self._let_go()
            here = self._home / "song"
            here.mkdir()
            self._song = _Song(order.song, here / PurePosixPath(order.song).name, "")
            self._song.path = fetch_song(order.song, here)
            self._song.hash = _sha256(self._song.path)
        if order.split is not None and self._song.hash != order.split.hash:
            raise AudioFileError(
                f"{order.song} was changed while its parts were separated",
                expected="the same file from the first part to the last",
                remedy="run the same again",
            )
        return self._song

    def _let_go(self) -> None:
        shutil.rmtree(self._home / "song", ignore_errors=True)
        self._song = None


def _publish(order: SongOrder, files: dict[str, Path]) -> None:
    """Bring stems to their places; those in local folders are there already."""
    # A stem file is that of all stems.
    for target, stem in {target: stem for stem, target in order.targets.items()}.items():
        if is_uri(target):
            put(files[stem], target)
    local = [Path(target) for target in order.targets.values() if not is_uri(target)]
    if local and order.facts is not None:
        note_made([*dict.fromkeys(local)], order.facts)


def _targets(order: SongOrder, here: Path) -> dict[str, Path]:
    """Return where stems are written: where they go, or else under that name in a folder."""
    if not order.targets:
        return {stem: here / f"{stem}.wav" for stem in order.stems}
    places = [*dict.fromkeys(order.targets.values())]
    # A folder for each: two may be called alike.
    return {
        stem: _place(target, here, places.index(target)) for stem, target in order.targets.items()
    }


def _place(target: str, here: Path, number: int) -> Path:
    if not is_uri(target):
        return Path(target)
    return here / str(number) / PurePosixPath(target).name


def _named(
    error: StreamsepError, song: _Song | None, here: Path, order: SongOrder
) -> StreamsepError:
    """Return an error in which temporary names are those of the song and the stems."""
    what = error.what
    for stem, path in _targets(order, here).items():
        what = what.replace(str(path), order.targets.get(stem, stem))
    if song is not None:
        what = what.replace(str(song.path), order.song)
    return type(error)(what, expected=error.expected, remedy=error.remedy, settings=error.settings)


def _sha256(path: Path) -> str:
    """Return the hash of a file; nothing of one that can't be read, which its reader says."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _own_folder() -> Path:
    """Return a new folder for what this process keeps; those of killed ones are removed."""
    top = Path(tempfile.gettempdir()) / f"streamsep-workers-{getattr(os, 'getuid', int)()}"
    top.mkdir(mode=0o700, exist_ok=True)
    for folder in top.iterdir():
        number = folder.name.partition("-")[0]
        if number.isdecimal() and not os.path.isdir(f"/proc/{number}") and os.path.isdir("/proc"):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=top))
