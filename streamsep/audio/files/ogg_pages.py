"""The pages of Ogg files: whether they are whole, and where one file follows another."""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass, field
from pathlib import Path

HEAD = 27  # bytes of a page before the lengths of its pieces
MAGIC = b"OggS"
FIRST, LAST = 2, 4  # flags
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(slots=True)
class OggPages:
    """What a look at all pages of a file tells.

    Attributes
    ----------
    starts
        Where files begin in it that were joined.
    codecs
        What the first page of each stream holds, of all these files.
    intact
        Whether no page is damaged, and nothing else is between them.
    end
        Where the last page ends.
    whole
        Whether besides none is missing, and the last one is marked as such.
    """

    starts: list[int] = field(default_factory=list)
    codecs: list[bytes] = field(default_factory=list)
    intact: bool = True
    end: int = 0
    whole: bool = True

    @property
    def plain_vorbis(self) -> bool:
        """Whether it is Vorbis and nothing else, one stream in each of the joined files."""
        alone = len(self.codecs) == len(self.starts)
        return alone and all(codec.startswith(b"\x01vorbis") for codec in self.codecs)


def read_pages(path: Path, end: int | None = None, start: int = 0) -> OggPages | None:
    """Look at all pages of a file, between two places in it; None of one that is no Ogg file."""
    with path.open("rb") as file:
        file.seek(start)
        if file.read(len(MAGIC)) != MAGIC:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _look(data, start, len(data) if end is None else end)


def _look(data: mmap.mmap, at: int, whole: int) -> OggPages:
    pages, sequence = OggPages(), dict[bytes, int]()
    beginning, flags = False, 0
    while at < whole:
        if data[at : at + 4] != MAGIC or whole < at + HEAD:
            at = data.find(MAGIC, at + 1, whole)
            if at < 0:
                break
            pages.intact = False
            continue
        pieces = data[at + HEAD : at + HEAD + data[at + 26]]
        end = at + HEAD + data[at + 26] + sum(pieces)
        page, flags, serial = data[at:end], data[at + 5], data[at + 14 : at + 18]
        number = int.from_bytes(page[18:22], "little")
        if end > whole or checksum(page) != int.from_bytes(page[22:26], "little"):
            pages.intact = False
        if flags & FIRST:
            if not beginning:
                pages.starts.append(at)
                sequence.clear()
            pages.codecs.append(page[HEAD + page[26] : HEAD + page[26] + 16])
        elif sequence.get(serial, number - 1) != number - 1:
            pages.whole = False
        beginning, sequence[serial] = bool(flags & FIRST), number
        at = pages.end = end
    pages.whole &= pages.intact and bool(flags & LAST)
    return pages


def checksum(page: bytes) -> int:
    """Return the checksum of a page: zlib's polynomial, with the bits of all bytes reversed."""
    plain = (page[:22] + bytes(4) + page[26:]).translate(REVERSED)
    found = zlib.crc32(plain, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2)
