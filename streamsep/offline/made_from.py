"""What stems were made from, kept beside them: so a song that is done is known without clocks.

A file `RECORDS` in each folder of stems has one line of JSON for each stem; of two for the same
stem the later one holds. Lines are added, and the file is written anew when most of them are old.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from streamsep.audio.files.part_files import one_at_a_time
from streamsep.models.integrity import model_files
from streamsep.separation.combination import Combination, Source

RECORDS = ".streamsep.jsonl"
# Other file systems keep times in whole seconds, FAT in every other one: a song copied there is
# the same song.
SAME_TIME_S = 2.0
TOO_MANY_OLD = 2  # times as many lines as stems


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What makes stems what they are.

    Attributes
    ----------
    size, time_s
        Of the song's file.
    model
        See `model_mark`.
    options
        All that changes what is written, besides the name of the stem and its suffix.
    """

    size: int
    time_s: float
    model: str
    options: dict[str, Any]

    def is_same(self, other: MadeFrom) -> bool:
        """Say whether stems of both would be the same."""
        same = (self.model, self.options) == (other.model, other.options)
        return same and self.has_same_source(other)

    def has_same_source(self, other: MadeFrom) -> bool:
        """Say whether both are of one song's file, as it is."""
        if self.size != other.size:
            return False
        rounded = any(time_s == int(time_s) for time_s in (self.time_s, other.time_s))
        return abs(self.time_s - other.time_s) <= (SAME_TIME_S if rounded else 0.0)


def facts_of(song: Path, model: str, options: Mapping[str, Any]) -> MadeFrom | None:
    """Return what stems of a song would be made from now; None of what can't be looked at."""
    try:
        status = song.stat()
    except (OSError, ValueError):
        return None
    return MadeFrom(status.st_size, status.st_mtime, model, dict(options))


@lru_cache(maxsize=64)
def model_mark(model: Path | EntryPoint) -> str:
    """Return what tells a model from others: of files their content, of a plugin its version."""
    if isinstance(model, Path):
        content = hashlib.sha256()
        for path in model_files(model):
            with path.open("rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
        return f"{model.stem}-{content.hexdigest()[:16]}"
    return f"{model.name}-{model.dist.version if model.dist else model.value}"


def mark_of_all(model: Source | Combination) -> str:
    """Return what tells a model, or several that separate together, from others.

    Of a function it is what no other run has.
    """
    if isinstance(model, Combination):
        marks = "+".join(map(mark_of_all, model.models))
        second = f", then {mark_of_all(model.second)}" if model.second is not None else ""
        return f"{model.blend or ''}({marks}){second}"
    return model_mark(model) if isinstance(model, Path | EntryPoint) else repr(model)


class StemRecords:
    """The records of the folders that are asked about; each is read once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, MadeFrom]] = {}

    def of(self, stem: Path) -> MadeFrom | None:
        """Return what a stem was made from, if that is known and it is there."""
        if not os.path.isfile(stem):
            return None
        if stem.parent not in self._folders:
            self._folders[stem.parent] = _read(stem.parent / RECORDS)
        return self._folders[stem.parent].get(stem.name)


def note_made(stems: list[Path], facts: MadeFrom) -> None:
    """Keep what finished stems were made from; where that can't be written, it isn't known."""
    for folder in {stem.parent for stem in stems}:
        names = [stem.name for stem in stems if stem.parent == folder]
        lines = "".join(json.dumps({"stem": name, **asdict(facts)}) + "\n" for name in names)
        with suppress(OSError), one_at_a_time([folder]):
            with (folder / RECORDS).open("a", encoding="utf-8") as file:
                file.write(lines)
            _shorten(folder / RECORDS)


def _shorten(path: Path) -> None:
    """Write a file of records anew if most of its lines are old."""
    records = _read(path)
    count = path.read_bytes().count(b"\n")
    if count < 100 or count < TOO_MANY_OLD * len(records):
        return
    with _replaced(path) as file:
        for name, facts in records.items():
            if os.path.exists(path.parent / name):
                file.write(json.dumps({"stem": name, **asdict(facts)}) + "\n")


@contextmanager
def _replaced(path: Path) -> Iterator[Any]:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with new.open("w", encoding="utf-8") as file:
        yield file
    os.replace(new, path)


def _read(path: Path) -> dict[str, MadeFrom]:
    """Return the records of a file; lines that are none are passed over."""
    records = {}
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                fields = dict(json.loads(line))  # or anything else that is JSON
                name = fields.pop("stem")
                made_from = MadeFrom(**fields)
                if math.isfinite(made_from.time_s):  # what it isn't of a number raises
                    records[str(name)] = made_from
    return records
