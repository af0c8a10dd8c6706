"""The record of a catalogue: one row a song, in CSV or Parquet, on this machine or in a store."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from streamsep.cluster.ray_extra import load_for_cluster
from streamsep.cluster.store import is_uri, names_under, put, read_bytes, remove_files
from streamsep.errors import ArgumentError, OutputError
from streamsep.offline.made_from import MadeFrom
from streamsep.offline.song_states import TO_DO

FAILED = "failed"
SUFFIXES_OF_MANIFESTS = (".csv", ".parquet")
PARTS_FOLDER = ".parts"
FLUSH_S = 5.0


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What is known of a song; the fields are the columns.

    Attributes
    ----------
    song
        Path or URI.
    hash
        SHA-256 of the song's content, once it was read.
    state
        ``to do``, ``done``, ``failed`` or ``taken``.
    seconds
        What a worker was busy with it.
    model
        See `streamsep.offline.made_from.model_mark`.
    error
        Why it failed; of one that is done what of its sound is lost.
    sound_s
        How long the song plays, in seconds.
    deaths
        Workers that ended without a word while they had it.
    size, time_s, options
        What else the stems were made from: of the song's file, and options as JSON.
    """

    song: str
    hash: str = ""
    state: str = TO_DO
    seconds: float = 0.0
    model: str = ""
    error: str = ""
    sound_s: float = 0.0
    deaths: int = 0
    size: int = 0
    time_s: float = 0.0
    options: str = "{}"

    @classmethod
    def planned(cls, song: str, facts: MadeFrom | None) -> ManifestRow:
        """Return the row of a song that is to be done."""
        if facts is None:
            return cls(song)
        return cls(
            song,
            model=facts.model,
            size=facts.size,
            time_s=facts.time_s,
            options=json.dumps(facts.options, sort_keys=True),
        )

    @property
    def made_from(self) -> MadeFrom:
        """What stems under this song's names were made from, or were going to be."""
        return MadeFrom(self.size, self.time_s, self.model, json.loads(self.options))

    def is_of(self, facts: MadeFrom) -> bool:
        """Say whether the song, the model and the options are those of the row."""
        return self.made_from.is_same(facts)


COLUMNS = tuple(field.name for field in fields(ManifestRow))
NUMBERS: dict[str, type] = {"seconds": float, "sound_s": float, "time_s": float}
NUMBERS |= {"deaths": int, "size": int}


class Manifest:
    """The rows of a file, and what came since, in parts beside it until `save`.

    A store takes whole files only: each few seconds' rows go to a small file of their own, and
    whoever reads the manifest next reads those too. So a run that is killed has lost no more than
    these seconds, and no work of a song is taken for that of others.

    One run at a time writes to a manifest.

    Parameters
    ----------
    uri
        Path or URI that ends in ``.csv`` or ``.parquet``; it need not be there.

    Raises
    ------
    ArgumentError
        If it ends otherwise.
    OutputError
        If what is there is no manifest.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._suffix = PurePosixPath(uri).suffix.lower()
        if self._suffix not in SUFFIXES_OF_MANIFESTS:
            raise ArgumentError(
                f"{uri} is no name for a manifest",
                expected=f"one that ends in {' or '.join(SUFFIXES_OF_MANIFESTS)}",
                remedy="give it another name",
                settings=("manifest",),
            )
        self.rows: dict[str, ManifestRow] = {}
        self._news: dict[str, ManifestRow] = {}
        self._run, self._count, self._flushed_s = time.time_ns(), 0, time.monotonic()
        for source in (uri, *self._parts()):
            content = read_bytes(source)
            if content is not None:
                self.rows |= {row.song: row for row in self._read(source, content)}

    def note(self, row: ManifestRow) -> None:
        """Take a row in place of the song's older one, and write from time to time."""
        self.rows[row.song] = self._news[row.song] = row
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write the rows that have come since the last time to a part.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        self._flushed_s = time.monotonic()
        if self._news:
            self._count += 1
            self._write(f"{self._folder}/{self._run}-{self._count:06}{self._suffix}", self._news)
            self._news = {}

    def save(self) -> None:
        """Write all rows, and remove the parts.

        Raises
        ------
        OutputError
            If it can't be written; the parts stay then.
        """
        self._write(self.uri, self.rows)
        self._news = {}
        remove_files(self._parts())
        if not is_uri(self.uri):
            with suppress(OSError):
                os.rmdir(self._folder)

    @property
    def _folder(self) -> str:
        return self.uri + PARTS_FOLDER

    def _parts(self) -> list[str]:
        if is_uri(self.uri):
            return sorted(names_under(self._folder))
        return sorted(str(path) for path in Path(self._folder).glob(f"[!.]*{self._suffix}"))

    def _write(self, uri: str, rows: dict[str, ManifestRow]) -> None:
        with tempfile.TemporaryDirectory(prefix="streamsep-") as folder:
            file = Path(folder) / f"rows{self._suffix}"
            write = _write_csv if self._suffix == ".csv" else _write_parquet
            write(file, rows.values())
            put(file, uri)

    def _read(self, source: str, content: bytes) -> list[ManifestRow]:
        try:
            if self._suffix == ".csv":
                text = content.decode("utf-8", errors="surrogateescape")
                reader = csv.DictReader(io.StringIO(text, newline=""))
                if not set(COLUMNS) <= {*(reader.fieldnames or ())}:
                    raise ValueError("columns are missing")
                values: list[Any] = list(reader)
            else:
                values = _parquet_rows(content)
            rows = [_row(value) for value in values]
            for row in rows:
                row.made_from  # noqa: B018  # raises of options that are none
        except Exception as error:  # Parquet's are of many kinds
            raise OutputError(
                f"{source} is no manifest ({type(error).__name__})",
                expected="a file that streamsep wrote there, or none",
                remedy="move it away, or give the manifest another name",
                settings=("manifest",),
            ) from error
        return rows


def _row(values: dict[str, Any]) -> ManifestRow:
    """Return a row of a file; raise ValueError where it isn't one that was written."""
    kept = {name: values[name] for name in COLUMNS}
    numbers = {name: number(kept[name]) for name, number in NUMBERS.items()}
    texts = [value for name, value in kept.items() if name not in NUMBERS]
    if not all(map(math.isfinite, numbers.values())) or not all(isinstance(t, str) for t in texts):
        raise ValueError("no row of a manifest")
    return replace(ManifestRow(**kept), **numbers)


def _parquet_rows(content: bytes) -> list[Any]:
    """Return the rows of a Parquet file.

    The thread of pyarrow's on which it is read may let go of the file only after this has returned.
    Of an object of Python's that needs the interpreter, and a program that ends just then is
    aborted: so it reads from memory of its own, and starts no threads beside that one.
    """
    pyarrow, parquet = load_for_cluster("pyarrow"), load_for_cluster("pyarrow.parquet")
    memory = pyarrow.allocate_buffer(len(content))
    memoryview(memory).cast("B")[:] = content
    file = parquet.ParquetFile(pyarrow.BufferReader(memory))
    rows: list[Any] = file.read(use_threads=False).to_pylist()
    return rows


def _write_csv(file: Path, rows: Iterable[ManifestRow]) -> None:
    with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(map(asdict, rows))


def _write_parquet(file: Path, rows: Iterable[ManifestRow]) -> None:
    pyarrow, parquet = load_for_cluster("pyarrow"), load_for_cluster("pyarrow.parquet")
    kinds = {float: pyarrow.float64(), int: pyarrow.int64()}
    schema = pyarrow.schema(
        [(name, kinds.get(NUMBERS.get(name, str), pyarrow.string())) for name in COLUMNS]
    )
    parquet.write_table(pyarrow.Table.from_pylist([asdict(row) for row in rows], schema), file)
