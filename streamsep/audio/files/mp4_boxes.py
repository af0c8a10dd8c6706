"""A box of one's own in an MP4 file that FFmpeg wrote: boxes within boxes, by ISO 14496-12."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEADER = 8  # bytes: a size of 32 bits, itself included, and four letters
LONG_HEADER = 16  # with a size of 64 bits behind the letters
MOST_BYTES = 2**32  # of a box with the shorter header
# What MP4 and QuickTime files begin with, after a size.
BEGINNINGS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
MOST_INDEX = 2**26  # bytes
INDEX_NEAR = 2**20  # bytes within which the index of a file begins, if it comes first


class Box(NamedTuple):
    """Where a box is in its file, header included."""

    kind: bytes
    start: int
    size: int


def add_user_data(path: Path, kind: bytes, content: bytes) -> None:
    """Add a box to ``moov/udta``, which stands at the end of the file, as FFmpeg has it.

    Raises
    ------
    ValueError
        If the file has no such end.
    OSError
        If it can't be written.
    """
    with path.open("r+b") as file:
        whole = os.fstat(file.fileno()).st_size
        (*_, moov) = list(boxes(file, 0, whole)) or [Box(b"", 0, 0)]
        added = _box(kind, content)
        if moov.kind != b"moov" or moov.start + moov.size != whole:
            raise ValueError("its index isn't at its end")
        if moov.size + len(added) + HEADER >= MOST_BYTES:
            raise ValueError("its index is too large")
        inside = list(boxes(file, moov.start + HEADER, whole))
        if inside and inside[-1].kind == b"udta":
            _resize(file, inside[-1], len(added))
        else:
            added = _box(b"udta", added)
        _resize(file, moov, len(added))
        file.seek(whole)
        file.write(added)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", HEADER + len(content), kind) + content


def _resize(file: BinaryIO, box: Box, more: int) -> None:
    file.seek(box.start)
    file.write(struct.pack(">I", box.size + more))


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes of a stretch, one after the other."""
    while end - start >= HEADER:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(HEADER))
        if size == 1 and end - start >= LONG_HEADER:
            (size,) = struct.unpack(">Q", file.read(LONG_HEADER - HEADER))
        if not HEADER <= size <= end - start:
            return
        yield Box(kind, start, size)
        start += size


def index_end(head: bytes) -> int | None:
    """Return how many bytes hold a file's index, or all that is there; None if sound comes first.

    Parameters
    ----------
    head
        The beginning of a file, perhaps of an MP4.
    """
    at = 0
    while at + HEADER <= len(head) and (at or head[4:HEADER] in BEGINNINGS):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + HEADER]
        if kind == b"mdat":
            return None
        if size == 1:
            size = int.from_bytes(head[at + HEADER : at + LONG_HEADER], "big")
        if size < HEADER:
            break
        at += size
        if kind in (b"moov", b"moof"):
            return min(at, MOST_INDEX)
    return len(head)
