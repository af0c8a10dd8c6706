"""The songs that paths, folders, globs and URIs mean, each with what is known of its file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamsep.audio.files.part_files import is_part_file
from streamsep.audio.files.pipe_input import STDIN, is_pipe
from streamsep.cluster.retries import with_retries
from streamsep.cluster.store import StorePath, as_path, file_system, is_uri, time_of
from streamsep.errors import AudioFileError, StreamsepError, first_line
from streamsep.offline.jobs import InputFile
from streamsep.offline.made_from import MadeFrom, facts_of
from streamsep.offline.song_search import (
    HIDDEN,
    NO_SOUND,
    SUFFIXES,
    UNKNOWN,
    FoundFiles,
    find_input_files,
    is_hidden,
)

UNNAMEABLE = "of a name with empty parts or dots for folders"


@dataclass(slots=True)
class Catalogue:
    """Songs of this machine and of stores.

    Attributes
    ----------
    found
        The songs, by paths that may stand for URIs (`StorePath`), and what is
        left out.
    """

    found: FoundFiles = field(default_factory=FoundFiles)
    _infos: dict[Path, dict[str, Any]] = field(default_factory=dict)

    def facts(self, song: Path, model: str, options: Mapping[str, Any]) -> MadeFrom | None:
        """Return what stems of a song would be made from now; None of what can't be looked at."""
        if not isinstance(song, StorePath):
            return facts_of(song, model, options)
        info = self._infos.get(song)
        if info is None:
            return None
        return MadeFrom(int(info.get("size") or 0), time_of(info), model, dict(options))

    def add(self, uri: str, info: dict[str, Any] | None, folder: Path = Path()) -> None:
        """Add a file of a store, once."""
        path = as_path(uri)
        if str(path) != uri or ".." in path.parts:
            self.found.leave_out(Path(uri), UNNAMEABLE)
        elif path not in self._infos:
            self._infos[path] = info or {}
            self.found.files.append(InputFile(path, folder))


def find_catalogue(names: Iterable[str]) -> Catalogue:
    """Return the songs that names mean, each once; see `find_input_files`.

    Raises
    ------
    AudioFileError
        If a folder holds no sound, a store can't be asked, or a name is of a pipe.
    """
    catalogue, local = Catalogue(), []
    for name in names:
        if is_uri(name):
            _add_of_store(catalogue, name)
        else:
            local.append(os.path.abspath(as_path(name)) if name and name != "-" else name)
    if local:
        found = find_input_files(local)
        for song in found.files:
            if song.path == STDIN or is_pipe(song.path):
                raise AudioFileError(
                    f"{song.path} is a pipe, which one machine alone can read",
                    expected="files that every worker can open",
                    remedy="separate it on this machine alone",
                )
        catalogue.found.files += found.files
        for reason, paths in found.left_out.items():
            for path in paths:
                catalogue.found.leave_out(path, reason)
    return catalogue


def _add_of_store(catalogue: Catalogue, uri: str) -> None:
    try:
        fs, path = file_system(uri)
        if not uri.startswith("http") and glob.has_magic(path):
            infos = list(with_retries(lambda: fs.glob(path, detail=True)).values())
        else:
            infos = [with_retries(lambda: fs.info(path))]
        for info in infos:
            if info["type"] == "directory":
                _add_folder(catalogue, fs, info["name"])
            else:
                catalogue.add(_uri(fs, info["name"]), info)
    except StreamsepError:
        raise
    except FileNotFoundError as error:
        raise AudioFileError(
            f"{uri} isn't there",
            expected="a file, or a folder or glob that holds some",
            remedy="check the name",
        ) from error
    except Exception as error:
        raise AudioFileError(
            f"{uri} can't be looked at ({type(error).__name__}: {first_line(error)})",
            expected="a store that answers, and leave to read it",
            remedy="check the name, the network and the keys of the store",
        ) from error


def _uri(fs: Any, name: str) -> str:
    uri: str = name if is_uri(name) else fs.unstrip_protocol(name)
    return uri.replace(":///", "://")  # of stores without hosts


def _add_folder(catalogue: Catalogue, fs: Any, top: str) -> None:
    before = len(catalogue.found.files)
    for name, info in sorted(with_retries(lambda: fs.find(top, detail=True)).items()):
        uri = _uri(fs, name)
        inside = Path(name.removeprefix(top).lstrip("/"))
        suffix = inside.suffix.lower()
        if is_part_file(inside):
            continue
        if suffix not in SUFFIXES:
            if suffix not in NO_SOUND and not is_hidden(inside.name):
                catalogue.found.leave_out(as_path(uri), UNKNOWN)
        elif any(is_hidden(part) for part in inside.parts):
            catalogue.found.leave_out(as_path(uri), HIDDEN)
        else:
            catalogue.add(uri, info, inside.parent)
    if len(catalogue.found.files) == before:
        raise AudioFileError(
            f"the folder {_uri(fs, top)} holds no sound files",
            expected="files whose names end as those of sound or video do",
            remedy="check the name; a file of another name can be given by itself",
        )
