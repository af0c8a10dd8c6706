"""Prepared tracks as WebDataset shards: tar files in a folder or a store, and an index of them.

A shard holds a part of each kind of track, so that a reader who has one at a time can mix. In it
each track is a sample of WebDataset's: files ``NUMBER.STEM.SUFFIX``, and ``NUMBER.json``, its
record. The index, written last, says what is where.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import numpy as np

from export.data.manifest import Track
from export.errors import DataError
from streamsep.cluster.retries import with_retries
from streamsep.errors import first_line

INDEX_NAME = "shards.json"
SCHEMA = 1
TAR_HEADER = 512  # bytes before each member's own
REMEDY = "make them with 'python -m export shard'"

Result = TypeVar("Result")
Place = tuple[int, int]  # of a member in its tar: first byte, and how many


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file.

    Attributes
    ----------
    name
        Of the file, beside the index.
    tracks
        What is in it; their files are called as the tar's members.
    members
        Where each member lies.
    """

    name: str
    tracks: list[Track]
    members: dict[str, Place]


def write_shards(
    folder: Path, tracks: Sequence[Track], url: str, shard_bytes: int, seed: int = 0
) -> Iterator[Shard]:
    """Write the tracks to train on and those held out; yield each shard when it is there.

    Parameters
    ----------
    url
        A folder or a URI that fsspec writes to, without an index.
    shard_bytes
        About how large a shard is to be.
    seed
        Of the order of tracks.

    Raises
    ------
    DataError
        If there are shards already, a file is missing, or the place can't be written.
    """
    index = join(url, INDEX_NAME)
    if _tried(lambda: _file_system(index).exists(index), index):
        raise DataError(
            f"{url} holds shards already", expected="an empty place", remedy="choose another one"
        )
    shards = []
    for split in ("train", "valid"):
        chosen = [track for track in tracks if track.split == split]
        if not chosen:
            continue
        total = sum((folder / file).stat().st_size for t in chosen for file in t.files.values())
        count = min(max(1, round(total / shard_bytes)), len(chosen))
        for number, part in enumerate(deal(chosen, count, seed)):
            shards.append(_write_shard(folder, part, url, f"{split}-{number:06d}.tar"))
            yield shards[-1]
    records = [asdict(shard) for shard in shards]
    with _written(index) as file:
        file.write(json.dumps({"schema": SCHEMA, "shards": records}, indent=1).encode())


def deal(tracks: Sequence[Track], count: int, seed: int) -> list[list[Track]]:
    """Deal tracks out like cards, kind by kind: each hand gets as much of each, or one less."""
    rng = np.random.default_rng(seed)
    shuffled = [tracks[i] for i in rng.permutation(len(tracks))]
    by_kind = sorted(shuffled, key=lambda track: (track.kind, *sorted(track.files)))
    return [by_kind[hand::count] for hand in range(count)]


def _write_shard(folder: Path, tracks: Sequence[Track], url: str, name: str) -> Shard:
    from webdataset import TarWriter

    kept: list[Track] = []
    members: dict[str, Place] = {}
    with _written(join(url, name)) as file, TarWriter(file, mtime=0, compress=False) as tar:
        for number, track in enumerate(tracks):
            key, inside = f"{number:06d}", {}
            for stem, path in track.files.items():
                kind = f"{stem}{Path(path).suffix}"
                content = (folder / path).read_bytes()
                inside[stem] = f"{key}.{kind}"
                members[inside[stem]] = (tar.tarstream.offset + TAR_HEADER, len(content))
                tar.write({"__key__": key, kind: content})
            kept.append(replace(track, files=inside))
            tar.write({"__key__": key, "json": json.dumps(asdict(kept[-1])).encode()})
    return Shard(name, kept, members)


def read_index(url: str) -> list[Shard]:
    """Read which shards there are.

    Raises
    ------
    DataError
        If there is no index, it is damaged, or another version's.
    """
    name = join(url, INDEX_NAME)
    try:
        content = json.loads(_read(name))
        if content["schema"] != SCHEMA:
            raise DataError(
                f"{name} has schema {content['schema']}", expected=str(SCHEMA), remedy=REMEDY
            )
        shards = [_parsed(record) for record in content["shards"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{name} is damaged ({error!r})", expected="an index of shards", remedy=REMEDY
        ) from error
    for shard in shards:
        for member in (file for track in shard.tracks for file in track.files.values()):
            if os.path.basename(shard.name) != shard.name or member not in shard.members:
                raise DataError(
                    f"{name} is damaged ({shard.name}, {member})",
                    expected="an index of shards beside it",
                    remedy=REMEDY,
                )
    return shards


def _parsed(record: dict[str, Any]) -> Shard:
    places = {m: (int(start), int(size)) for m, (start, size) in record["members"].items()}
    return Shard(record["name"], [Track(**track) for track in record["tracks"]], places)


def read_shard(url: str, shard: Shard, cache: Path | None = None) -> dict[str, bytes]:
    """Read a shard as a stream, once, into memory: its members by name.

    Parameters
    ----------
    cache
        A folder in which what comes from a store is kept for the next time; without one nothing
        is written.

    Raises
    ------
    DataError
        If it can't be read, after several tries where that may pass, or isn't what the index says.
    """
    from webdataset.tariterators import tar_file_expander

    name = join(url, shard.name)

    def read() -> dict[str, bytes]:
        with fsspec.open(_cached(name, cache) if cache else name) as stream:
            source = [{"url": name, "stream": stream}]
            return {f["fname"]: f["data"] for f in tar_file_expander(source, eof_value=None)}

    found = _tried(read, name)
    for member, (_, size) in shard.members.items():
        if len(found.get(member, b"")) != size:
            raise DataError(
                f"{name} isn't the shard that its index knows ({member})",
                expected=f"{size} bytes of it",
                remedy="write shards and index again, into an empty place",
            )
    return found


def read_range(url: str, shard: Shard, start: int, end: int) -> bytes:
    """Read some bytes of a shard, and nothing else of it.

    Raises
    ------
    DataError
        As of `read_shard`.
    """
    return _read(join(url, shard.name), start, end)


def join(url: str, name: str) -> str:
    """Return the URL of a file in a folder."""
    return f"{url.rstrip('/')}/{name}"


def _cached(name: str, cache: Path) -> str:
    """Return a copy's path; it is there whole or not at all, whoever fetches it at a time."""
    copy = cache / f"{hashlib.sha256(name.encode()).hexdigest()}.tar"
    if not copy.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(f".{os.getpid()}.partial")
        try:
            _file_system(name).get_file(name, str(part))
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
    return str(copy)


def _file_system(name: str) -> Any:
    return fsspec.core.url_to_fs(name)[0]


def _read(name: str, start: int | None = None, end: int | None = None) -> bytes:
    return _tried(lambda: bytes(_file_system(name).cat_file(name, start=start, end=end)), name)


@contextmanager
def _written(name: str) -> Iterator[Any]:
    local = fsspec.core.split_protocol(name)[0] in (None, "file", "local")
    try:
        with fsspec.open(name, "wb", **({"auto_mkdir": True} if local else {})) as file:
            yield file
    except Exception as error:
        raise DataError(
            f"{name} can't be written ({type(error).__name__}: {first_line(error)})",
            expected="a folder, or a URI of a store such as s3://bucket/folder",
            remedy="check that it may be written, and that there is room",
        ) from error


def _tried(call: Callable[[], Result], name: str) -> Result:
    try:
        return with_retries(call)
    except Exception as error:
        raise DataError(
            f"{name} can't be read ({type(error).__name__}: {first_line(error)})",
            expected="shards in a folder, or under a URI such as s3://bucket/folder",
            remedy=REMEDY,
        ) from error
