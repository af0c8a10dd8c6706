"""Files that hold one file after the other, and headers that say less than there is.

``cat a.wav b.wav`` is two whole files: a decoder that goes by the first header ends with it, and
one that takes up frames wherever they are makes what it can of whatever follows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from streamsep.audio.files.file_starts import (
    BARE,
    OVERLAP,
    PIECE,
    USUAL,
    first_frames,
    form_at,
    starts,
)
from streamsep.audio.files.mp3_header import id3_size
from streamsep.audio.files.sound_span import PADDED, could_be_sound, tags_start

# Formats that FFmpeg reads on in whatever comes, and takes it for more of the first.
CUT = ("nut", "flac", "ogg", *BARE)
# May hold whole files within it, behind its sound.
HOLDS_FILES = ("matroska,webm",)
OGG_PAGE = re.compile(rb"OggS\x00(?:([\x02\x06])|.)", re.DOTALL)
CHUNKS = (
    *(b"LIST", b"fact", b"cue ", b"smpl", b"inst", b"bext", b"iXML", b"id3 ", b"ID3 ", b"PEAK"),
    *(b"JUNK", b"junk", b"PAD ", b"FLLR", b"cart", b"_PMX", b"axml", b"chna", b"acid", b"afsp"),
    *(b"RIFF", b"RF64", b"DISP", b"plst", b"levl", b"umid", b"strc", b"LGWV"),
)
AIFF_CHUNKS = (
    *(b"COMT", b"MARK", b"INST", b"MIDI", b"AESD", b"APPL", b"NAME", b"AUTH", b"(c) ", b"ANNO"),
    *(b"ID3 ", b"id3 ", b"CHAN", b"COMM", b"FVER", b"SAXL", b"LGWV"),
)
CHUNK_NAME = re.compile(rb"[\x20-\x7e]{4}")
# What follows the first letters of a W64 chunk's name: of the whole, of usual ones, of lists.
W64_KINDS = (
    bytes.fromhex("2e91cf11a5d628db04c10000"),
    bytes.fromhex("f3acd3118cd100c04f8edb8a"),
    bytes.fromhex("2f91cf11a5d628db04c10000"),
)
AU = b".snd"
NEAR = 2**16  # bytes behind an end
ENDLESS_CAF = 2**63  # sizes from here on are negative
WRAP = 2**32  # where the sizes in RIFF headers begin anew


class PartOfFile:
    """A file from a place on, up to another; has what PyAV needs of one.

    Parameters
    ----------
    path
        The file.
    start, end
        Places in it; None for its end.
    replaced
        What is read in place of what is in the file, by its places there.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        end: int | None = None,
        replaced: Mapping[int, bytes] | None = None,
    ) -> None:
        self.name = str(path)
        self._file, self._start, self._end = path.open("rb"), start, end
        self._replaced = replaced or {}
        self._file.seek(start)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if self._end is not None:
            left = max(self._end - self._file.tell(), 0)
            size = min(size, left) if size >= 0 else left
        at = self._file.tell()
        data = self._file.read(size)
        for place, other in self._replaced.items():
            first, last = max(place - at, 0), min(place + len(other) - at, len(data))
            if first < last:
                data = data[:first] + other[first + at - place : last + at - place] + data[last:]
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, by places in the part."""
        if whence == os.SEEK_SET:
            offset += self._start
        elif whence == os.SEEK_END and self._end is not None:
            offset, whence = offset + self._end, os.SEEK_SET
        try:
            return self._file.seek(offset, whence) - self._start
        except OSError:  # farther than files can be: as damage has it, or another file's header
            return self._file.seek(0, os.SEEK_END) - self._start

    @property
    def size(self) -> int:
        """How many bytes it has."""
        end = os.fstat(self._file.fileno()).st_size if self._end is None else self._end
        return end - self._start

    def tell(self) -> int:
        """Return the place in the part."""
        return self._file.tell() - self._start

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self) -> None:
        """Close the file, which those who read it by PyAV leave open."""
        if hasattr(self, "_file"):
            self._file.close()


def next_start(path: Path, form: str, after: int) -> int | None:
    """Return where from a place on another file begins, behind the end of one of a format."""
    if form in HOLDS_FILES:
        return None
    with path.open("rb") as file:
        file.seek(after)
        at_once = first_frames(file.read(NEAR), form)
        if at_once is not None:
            return after + at_once
        return next((place for place, _ in starts(file, after, form)), None)


def next_cut(path: Path, form: str, start: int) -> int | None:
    """Return where in a file that begins at a place another one does, if FFmpeg has to be told."""
    if form not in CUT:
        return None
    status = path.stat()  # a song is opened again and again, to move in it
    as_it_is = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return _next_cut(path, form, start, as_it_is)


@lru_cache(maxsize=256)
def _next_cut(path: Path, form: str, start: int, as_it_is: tuple[int, ...]) -> int | None:
    with path.open("rb") as file:
        after = start + 1
        if form in BARE:
            file.seek(start)
            after += id3_size(file.read(10))
        if form == "nut":  # whose packets may be as those of other formats begin
            return next((place for place, _ in starts(file, after, form, (form,))), None)
        found = starts(file, after, form, USUAL)
        if form != "ogg":
            return next((place for place, _ in found), None)
        other = next((place for place, kind in found if kind != form), None)
        places = [place for place in (other, _next_ogg(file, start)) if place is not None]
        return min(places, default=None)


def _next_ogg(file: BinaryIO, start: int) -> int | None:
    """Return where another Ogg file begins: the first pages of all streams of one come together."""
    between, at, data = True, start, b""
    while True:
        file.seek(at)
        if not (piece := file.read(PIECE)):
            return None
        at += len(piece)
        data = data[-OVERLAP:] + piece
        for match in OGG_PAGE.finditer(data):
            if match.start() > len(data) - OVERLAP and len(piece) == PIECE:
                break  # comes again
            place = at - len(data) + match.start()
            if match[1] is None:
                between = True
            elif between and place > start:
                return place
            else:
                between = False


class Behind(NamedTuple):
    """What follows the sound of a file, by its header, that is no part of the format.

    Attributes
    ----------
    start
        Where the sound ends by the header.
    is_sound
        Whether what follows may be more of it.
    sizes
        What must be in the header for FFmpeg to read all as sound, by places in the file.
    """

    start: int
    is_sound: bool
    sizes: Mapping[int, bytes]


class Size(NamedTuple):
    """Where a header has the size of the sound, where that ends, and what stands for all there is.

    FFmpeg takes nothing for all, or needs the true sizes, by places in the file.
    """

    place: int
    after: int
    of_all: Mapping[int, bytes] | None = None


def behind_sound(path: Path) -> Behind | None:
    """Return what a WAV, W64, AIFF, CAF or AU file holds behind the sound that its header tells of.

    That is more sound if the writer was killed, or where it has more than 4 GB, where sizes begin
    anew; or it was joined to it.
    """
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        found = (
            _data_of_wav(file, end)
            or _data_of_w64(file, end)
            or _data_of_aiff(file, end)
            or _data_of_caf(file, end)
            or _data_of_au(file)
        )
        if found is None:
            return None
        after, sizes = found.after, found.of_all or {found.place: bytes(4)}
        if after >= end or end - after >= WRAP - PIECE:
            return None if after >= end else Behind(after, is_sound=True, sizes=sizes)
        # Chunks follow, or another file. Eight bytes of sound are nearly never such a header.
        file.seek(after)
        head = file.read(PADDED)
        filled_up = not any(head) and end - after <= PADDED
        named = head[4:16] in W64_KINDS or id3_size(head) or _is_chunk(head, end - after)
        if filled_up or named or form_at(file, after) or tags_start(file, end) <= after:
            return None
        file.seek(0)
        sized = file.read(4) != AU  # FFmpeg reads on in this one, whatever it says
        return Behind(after, sized and could_be_sound(head), sizes)


def says_too_little(path: Path) -> bool:
    """Say whether there may be more sound in a file than its header tells."""
    behind = behind_sound(path)
    return behind is not None and behind.is_sound


def _is_chunk(head: bytes, left: int) -> bool:
    """Say whether bytes are a chunk's head in a WAV or AIFF file; of an unknown one by its size."""
    size = min(int.from_bytes(head[4:8], order) for order in ("little", "big"))
    named = head[:4] in CHUNKS or head[:4] in AIFF_CHUNKS
    return named or (size <= left - 8 and CHUNK_NAME.match(head) is not None)


def _chunk(
    file: BinaryIO, at: int, end: int, name: bytes, width: int, order: Literal["little", "big"]
) -> tuple[int, int, int] | None:
    """Return where the first chunk of a name has its size, where its content begins, and the size.

    Sizes have so many bytes, and are filled up to even ones where they have four.
    """
    while at + 4 + width <= end:
        file.seek(at)
        head = file.read(4 + width)
        size, first = int.from_bytes(head[4:], order), at + 4 + width
        if head[:4] == name:
            return at + 4, first, size
        at = first + size + (size % 2 if width == 4 else 0)
    return None


def _data_of_wav(file: BinaryIO, end: int) -> Size | None:
    """Return where a WAV file has the size of its sound."""
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
        return None
    found = _chunk(file, 12, end, b"data", 4, "little")
    if found is None or not found[2]:
        return None
    place, first, size = found
    return Size(place, first + size + size % 2)


def _data_of_aiff(file: BinaryIO, end: int) -> Size | None:
    """Return the same of an AIFF file, whose sizes have to be true, the whole's too."""
    file.seek(0)
    if file.read(4) != b"FORM" or file.read(8)[4:] not in (b"AIFF", b"AIFC") or end >= WRAP:
        return None
    found = _chunk(file, 12, end, b"SSND", 4, "big")
    if found is None:
        return None
    place, first, size = found
    true = {at: (end - at - 4).to_bytes(4, "big") for at in (4, place)}
    return Size(place, first + size + size % 2, true)


def _data_of_caf(file: BinaryIO, end: int) -> Size | None:
    """Return the same of a CAF file, where a size of minus one is all that follows."""
    file.seek(0)
    found = _chunk(file, 8, end, b"data", 8, "big") if file.read(4) == b"caff" else None
    if found is None or found[2] >= ENDLESS_CAF:
        return None
    place, first, size = found
    return Size(place, first + size, {place: b"\xff" * 8})


def _data_of_au(file: BinaryIO) -> Size | None:
    file.seek(0)
    head = file.read(12)
    start, size = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
    return Size(8, start + size) if head[:4] == AU and 0 < size < WRAP - 1 else None


def _data_of_w64(file: BinaryIO, end: int) -> Size | None:
    """Return the same of a W64 file, whose sizes have 64 bits and count their own chunk.

    Without a size FFmpeg refuses it: libsndfile, which is asked next, reads to the end.
    """
    file.seek(0)
    if file.read(16)[4:] != W64_KINDS[0]:
        return None
    at = 40
    while at + 24 <= end:
        file.seek(at)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            return Size(at + 16, at + size + -size % 8) if 24 < size < WRAP else None
        if size < 24:
            return None
        at += size + -size % 8
    return None
