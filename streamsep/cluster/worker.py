"""What a worker does: one model, loaded once, and song after song through it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from streamsep import __version__
from streamsep.audio.files.encoding import Encoding
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.cluster.store import as_path, fetch_song, is_uri, put
from streamsep.errors import BackendError, StreamsepError, as_streamsep_error
from streamsep.models import FoundModel, find_model
from streamsep.models.integrity import model_files
from streamsep.offline.made_from import MadeFrom, note_made
from streamsep.offline.stem_writer import AS_USUAL, write_stems
from streamsep.separation import Separator, load_separator


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model that travels: a file's content, with what it needs beside it, or a plugin's name."""

    name: str
    files: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, model: FoundModel) -> ModelBundle:
        """Return a model as it is on this machine."""
        if not isinstance(model, Path):
            return cls(model.name)
        return cls(model.name, tuple((f.name, f.read_bytes()) for f in model_files(model)))

    def unpacked(self, folder: Path) -> FoundModel:
        """Return the model, its files written to a folder."""
        for name, content in self.files:
            (folder / name).write_bytes(content)
        return folder / self.name if self.files else find_model(self.name)


@dataclass(frozen=True, slots=True)
class SeparationTask:
    """What is the same for all songs of a run.

    Attributes
    ----------
    model
        What to run.
    device
        See `load_separator`.
    encoding, choice, gain
        See `write_stems`.
    version
        Of who asks: one catalogue is made by one version.
    """

    model: ModelBundle
    device: str = "auto"
    encoding: Encoding = AS_USUAL
    choice: SoundChoice = WHOLE
    gain: float = 1.0
    version: str = __version__


@dataclass(frozen=True, slots=True)
class SongOrder:
    """A song, and where its stems go.

    Attributes
    ----------
    song
        Path or URI.
    targets
        Path or URI for each stem; empty where the song is done for its time alone.
    stems
        Their names.
    facts
        What the stems are made from, to be kept beside those that go to a local folder.
    deaths
        Workers that ended while they had the song.
    """

    song: str
    targets: Mapping[str, str]
    stems: tuple[str, ...]
    facts: MadeFrom | None = None
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a song.

    Attributes
    ----------
    error
        Why there are no stems; None if they are there.
    peaks
        Of each stem, where 1.0 is full scale.
    notices
        What isn't in the stems as it was in the song.
    hash
        SHA-256 of the song's content.
    seconds, sound_s
        How long it took, and how long the song plays.
    node
        The machine's name.
    deaths
        Workers that ended while they had the song.
    """

    error: StreamsepError | None = None
    peaks: Mapping[str, float] | None = None
    notices: tuple[Notice, ...] = ()
    hash: str = ""
    seconds: float = 0.0
    sound_s: float = 0.0
    node: str = ""
    deaths: int = 0


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
        self._separator: Separator | None = None

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
        self._separator = load_separator(model, device=self._task.device, offline=True, cores=1)
        return node

    def separate(self, order: SongOrder) -> Outcome:
        """Separate a song; what goes wrong with it is in what comes back."""
        if self._separator is None:
            raise ValueError("no model is loaded")
        started, notices, digest = time.perf_counter(), list[Notice](), ""
        with tempfile.TemporaryDirectory(dir=self._home) as folder:
            here = Path(folder)
            try:
                song = fetch_song(order.song, here)
                digest = _sha256(song)
                targets = _targets(order, here)
                peaks = write_stems(
                    self._separator,
                    song,
                    targets,
                    encoding=self._task.encoding,
                    choice=self._task.choice,
                    gain=self._task.gain,
                    on_progress=lambda share: None,
                    on_notice=notices.append,
                )
                with AudioReader(next(iter(targets.values()))) as reader:
                    sound_s = (reader.frames or 0) / reader.sample_rate
                self._publish(order, targets)
            except Exception as foreign:
                error = _named(as_streamsep_error(foreign, order.song), here, order)
                return Outcome(error, hash=digest, seconds=time.perf_counter() - started)
        named = (replace(notice, path=as_path(order.song)) for notice in notices)
        return Outcome(
            peaks=peaks,
            notices=tuple(named),
            hash=digest,
            seconds=time.perf_counter() - started,
            sound_s=sound_s,
        )

    def _publish(self, order: SongOrder, files: dict[str, Path]) -> None:
        """Bring stems to their places; those in local folders are there already."""
        for stem, target in order.targets.items():
            if is_uri(target):
                put(files[stem], target)
        local = [Path(target) for target in order.targets.values() if not is_uri(target)]
        if local and order.facts is not None:
            note_made(local, order.facts)


def _targets(order: SongOrder, here: Path) -> dict[str, Path]:
    """Return where stems are written: where they go, or else under that name in a folder."""
    if not order.targets:
        return {stem: here / "stems" / f"{stem}.wav" for stem in order.stems}
    targets = {}
    for number, (stem, target) in enumerate(order.targets.items()):
        # A folder for each: a song may be called what its stem is called.
        inside = here / f"stem{number}" / PurePosixPath(target).name
        targets[stem] = inside if is_uri(target) else Path(target)
    return targets


def _named(error: StreamsepError, here: Path, order: SongOrder) -> StreamsepError:
    """Return an error in which temporary names are those of the song and the stems."""
    what = error.what
    for number, target in enumerate(order.targets.values()):
        what = what.replace(str(here / f"stem{number}" / PurePosixPath(target).name), target)
    what = what.replace(str(here / PurePosixPath(order.song).name), order.song)
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
