"""Files on this machine or in a store, by path or URI, through fsspec.

Work is planned with paths: a `StorePath` stands for a URI.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import whole_file
from streamsep.cluster.ray_extra import load_for_cluster
from streamsep.cluster.retries import with_retries
from streamsep.errors import AudioFileError, OutputError, StreamsepError, first_line

SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+):/+")
# Where an object is there whole or not at all, so that it needs no other name first.
ATOMIC = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory", "oci"}
TIMES = ("LastModified", "mtime", "updated", "last_modified", "created")
PARTS = ".streamsep-parts"


def is_uri(name: str) -> bool:
    """Say whether a name is of a store; ``file://`` and paths are of this machine."""
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", name)
    return scheme is not None and scheme[1] not in ("file", "local")


class StorePath(type(Path())):  # type: ignore[misc]  # which class that is says the system
    """A URI as a path: its text is the URI, with both slashes after the colon."""

    def __str__(self) -> str:
        return SCHEME.sub(r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        return str(self)


def as_path(name: str | Path) -> Path:
    """Return a path that stands for a URI, or one of this machine."""
    if isinstance(name, Path):  # made of a URI's text, and a slash short
        name = SCHEME.sub(r"\1://", str(name), count=1)
    return StorePath(name) if is_uri(name) else Path(re.sub(r"^(file|local)://", "", name))


def file_system(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URI, and the path in it.

    Raises
    ------
    AudioFileError
        If there is no such kind of store, or its package isn't installed.
    """
    fsspec = load_for_cluster("fsspec")
    try:
        # A listing that is kept wouldn't show what other machines have written since.
        fs, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise AudioFileError(
            f"{uri} can't be reached: {first_line(error)}",
            expected="a path, or a URI such as s3://bucket/folder",
            remedy="check it, or install what fsspec needs for this kind of store",
        ) from error
    return fs, path


def time_of(info: dict[str, Any]) -> float:
    """Return when a file was last changed, in seconds; 0 of a store that doesn't tell."""
    for name in TIMES:
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0


def fetch_song(uri: str, folder: Path) -> Path:
    """Return a copy of a song in a folder, under its own name; what is local stays where it is.

    Raises
    ------
    AudioFileError
        If it isn't there, or the store doesn't give it after several tries.
    """
    if not is_uri(uri):
        return Path(uri)
    copy = folder / PurePosixPath(uri).name
    try:
        fs, path = file_system(uri)
        with_retries(lambda: fs.get_file(path, str(copy)))
    except StreamsepError:
        raise
    except FileNotFoundError as error:
        raise AudioFileError(
            f"{uri} isn't there",
            expected="a sound file",
            remedy="check the name",
        ) from error
    except Exception as error:
        raise AudioFileError(
            f"{uri} can't be fetched ({type(error).__name__}: {first_line(error)})",
            expected="a store that gives it, and room for it here",
            remedy="run the same again, which goes on with this one",
        ) from error
    return copy


def put(file: Path, uri: str) -> None:
    """Copy a file to its place, where it is whole or not at all.

    Object stores show an object when it has come whole; elsewhere it goes under a temporary name
    and is renamed.

    Raises
    ------
    OutputError
        If the place can't be written, after several tries where that may pass.
    """
    if not is_uri(uri):
        make_folder(Path(uri).parent)
        with whole_file(Path(uri)) as part:
            shutil.copyfile(file, part)
        return
    try:
        fs, path = file_system(uri)
        with_retries(lambda: _put(fs, file, path))
    except StreamsepError:
        raise
    except Exception as error:
        raise OutputError(
            f"{uri} can't be written ({type(error).__name__}: {first_line(error)})",
            expected="a store that takes it",
            remedy="check that it may be written, and run the same again: it goes on",
        ) from error


def _put(fs: Any, file: Path, path: str) -> None:
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    if protocols & ATOMIC:
        fs.put_file(str(file), path)
        return
    folder = PurePosixPath(path).parent
    part = str(folder / PARTS / f"{secrets.token_hex(8)}{PurePosixPath(path).suffix}")
    fs.makedirs(str(PurePosixPath(part).parent), exist_ok=True)
    try:
        fs.put_file(str(file), part)
        if fs.exists(path):  # some of these don't rename onto a file
            fs.rm_file(path)
        fs.mv(part, path)
    finally:
        if fs.exists(part):
            fs.rm_file(part)


def read_bytes(uri: str) -> bytes | None:
    """Return what a file holds, or None if it isn't there."""
    if not is_uri(uri):
        return Path(uri).read_bytes() if os.path.isfile(uri) else None
    fs, path = file_system(uri)
    try:
        content: bytes = with_retries(lambda: fs.cat_file(path))
    except FileNotFoundError:
        return None
    return content


def is_there(uri: str) -> bool:
    """Say whether there is a file of that name."""
    if not is_uri(uri):
        return os.path.isfile(uri)
    fs, path = file_system(uri)
    return bool(with_retries(lambda: fs.exists(path)))


def names_under(folder: str) -> set[str]:
    """Return the URIs of all files under a folder of a store; none if it isn't there."""
    fs, path = file_system(folder)
    try:
        found = with_retries(lambda: fs.find(path))
    except FileNotFoundError:  # of a bucket; whoever writes there says so
        return set()
    return {str(as_path(fs.unstrip_protocol(name))) for name in found}


def remove_files(uris: Iterable[str]) -> None:
    """Remove files, if they are there.

    Raises
    ------
    OutputError
        If that can't be, after several tries where it may pass.
    """
    for uri in uris:
        fs, path = file_system(uri)
        try:
            with_retries(partial(fs.rm_file, path))
        except FileNotFoundError:
            continue
        except Exception as error:
            raise OutputError(
                f"{uri} can't be removed ({type(error).__name__}: {first_line(error)})",
                expected="a store in which that may be done",
                remedy="remove it by hand, or leave it: the next run tries again",
            ) from error
