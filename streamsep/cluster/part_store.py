"""Parts of a long song in the folder that is for them, beside where its stems go."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from streamsep import __version__
from streamsep.audio.files.sound_choice import SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.cluster.orders import SeparationTask, SongOrder, Split
from streamsep.cluster.store import (
    PARTS,
    fetch_song,
    is_there,
    is_uri,
    names_under,
    put,
    remove_files,
)
from streamsep.offline.song_parts import divide, separate_part
from streamsep.separation import Separator
from streamsep.separation.model_engine import ModelEngine


def parts_folder(target: str, song: str) -> str:
    """Return the folder for the parts of a song, as path or URI, given where a stem of it goes."""
    name = hashlib.sha256(os.fsencode(song)).hexdigest()[:16]
    return f"{target.rpartition('/')[0]}/{PARTS}/{name}"


def split_song(
    order: SongOrder, path: Path, digest: str, separator: Separator, task: SeparationTask
) -> Split | None:
    """Return how a song is to be done in parts, or None where it is to be done as one.

    Parameters
    ----------
    order
        Of the song.
    path, digest
        Its file here, and the hash of that.
    separator, task
        What separates it.

    Raises
    ------
    AudioFileError
        If it can't be read.
    """
    if not order.parts or order.facts is None or not isinstance(separator, ModelEngine):
        return None
    with AudioReader(path, choice=task.choice, keep_layout=task.keep_layout) as reader:
        length_s = reader.frames / reader.sample_rate
        if length_s <= task.long_s or reader.channels > separator.spec.channels:
            return None
    division = divide(separator, length_s, task.part_s)
    made_from = [digest, order.facts.model, task.choice.facts, division.blocks, __version__]
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]
    return Split(key, digest, division, in_turn=separator.memory is None)


@dataclass(frozen=True, slots=True)
class PartStore:
    """The parts of a song that is divided.

    Attributes
    ----------
    folder
        Where they are, as path or URI.
    split
        Which they are.
    here
        Folder of this machine for what is on its way, to be removed by whoever made it.
    """

    folder: str
    split: Split
    here: Path

    def make(self, separator: ModelEngine, song: Path, number: int, choice: SoundChoice) -> float:
        """Separate a part and keep it, unless it is there; return for how long it plays.

        0 of one that was there. A part is there when the state to go on from is there too.

        Raises
        ------
        AudioFileError
            If the song, or the state of the part before, can't be read.
        BackendError
            If the model fails.
        OutputError
            If the part can't be kept.
        """
        place = f"{self.folder}/{self.split.part_name(number)}"
        if is_there(place):
            return 0.0
        state = None
        # Where the song ended before, there is none.
        if self.split.in_turn and number and is_there(before := self._state(number - 1)):
            with np.load(fetch_song(before, self.here), allow_pickle=False) as file:
                state = dict(file)
        part = self.here / "part"
        sound_s, state = separate_part(
            separator, song, self.split.division, number, part, choice=choice, state=state
        )
        if state is not None:
            np.savez(self.here / "state.npz", **cast(dict[str, Any], state))  # typed as flags
            put(self.here / "state.npz", self._state(number))
        put(part, place)
        return sound_s

    def _state(self, number: int) -> str:
        return f"{self.folder}/{self.split.state_name(number)}"

    def files(self) -> Iterator[Path]:
        """Yield the file of each part; the next is fetched when that is read.

        Raises
        ------
        AudioFileError
            If one can't be had.
        """
        for number in range(self.split.count):
            part = fetch_song(f"{self.folder}/{self.split.part_name(number)}", self.here)
            yield part
            if is_uri(self.folder):
                part.unlink()


def remove_parts(folder: str) -> None:
    """Remove all parts of a song, if there are any."""
    if is_uri(folder):
        remove_files(names_under(folder))
        return
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # of other songs there are some
        os.rmdir(os.path.dirname(folder))


def remove_left_parts(done: Iterable[str], there: Iterable[str]) -> None:
    """Remove what runs that were killed left in folders for parts.

    Parameters
    ----------
    done
        Folders for the parts of songs that need none any more.
    there
        URIs of all that is in the store, if there is one.
    """
    folders = {*done}
    for folder in folders:
        if not is_uri(folder) and os.path.isdir(folder):
            remove_parts(folder)
    inside = [name.rpartition("/") for name in there if f"/{PARTS}/" in name]
    # What lies there itself is on its way to another name.
    remove_files(
        f"{folder}/{name}"
        for folder, _, name in inside
        if folder.endswith(PARTS) or folder in folders
    )
