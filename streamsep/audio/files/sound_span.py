"""Where the frames of a file without a header begin and end, and what else is in front and behind.

FFmpeg takes what is no frame for a part of the first or the last one, or steps over it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from streamsep.audio.files.decoded import Remark
from streamsep.audio.files.file_starts import (
    FRAME_SIZES,
    TAG_AT_END,
    TAG_SIZE,
    frames_at,
    starts,
)
from streamsep.audio.files.mp3_header import id3_size

FORMS = {"mp3": "mp3", "aac": "aac", "ac3": "ac3", "eac3": "ac3"}  # FFmpeg's names, and ours
SYNC = {
    "mp3": re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x10-\xef]"),
    "aac": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"),
    "ac3": re.compile(rb"\x0b\x77"),
}
PIECE = 2**20
LARGEST_FRAME = 2**13
NEAR = 4 * LARGEST_FRAME  # bytes within which frames follow one another
LEAST = 96  # bytes of a frame that holds any sound
PADDED = 2**16  # zeros that are no hole in a file
ENHANCED, ENHANCED_SIZE = b"TAG+", 227
APE, APE_SIZE, APE_HAS_HEADER = b"APETAGEX", 32, 0x80
LYRICS_BEGIN, LYRICS, LYRICS_OLD = b"LYRICSBEGIN", b"LYRICS200", b"LYRICSEND"
ID3_AT_END = b"3DI"
# What other files begin with that get joined to sound.
KNOWN = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"%PDF", b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf"),
    *(b"\x1f\x8b", b"MZ", b"\x7fELF", b"\xef\xbb\xbf", b"HTTP/"),
)
TEXT = bytes((9, 10, 13, *range(32, 127)))


def _checksum_of(byte: int) -> int:
    found = byte << 8
    for _ in range(8):
        found = (found << 1) ^ (0x8005 if found & 0x8000 else 0)
    return found & 0xFFFF


CHECKSUMS = [_checksum_of(byte) for byte in range(256)]


class SoundSpan(NamedTuple):
    """Frames within a file: from a place to another.

    Attributes
    ----------
    front, behind
        Where tags before them end, and those behind them begin.
    is_cut
        Whether the last frame isn't whole.
    """

    start: int
    end: int
    front: int
    behind: int
    is_cut: bool


def sound_span(path: Path, form: str) -> SoundSpan | None:
    """Return where the frames of a file are, if more than usual is before or behind them.

    Parameters
    ----------
    path
        The file.
    form
        FFmpeg's name of its format.
    """
    if form not in FORMS:
        return None
    status = path.stat()  # a song is opened again and again, to move in it
    as_it_is = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return _span(path, FORMS[form], as_it_is)


@lru_cache(maxsize=256)
def _span(path: Path, form: str, as_it_is: tuple[int, ...]) -> SoundSpan | None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start, end = tags_end(file), tags_start(file, size)
        file.seek(start)
        at_once = frames_at(file.read(NEAR), 0) == form
        tagged = size - end not in (0, TAG_SIZE)  # FFmpeg takes some tags for frames
        if at_once and not tagged and _ends_with_frame(file, form, end):
            return None
        runs = list(_runs(file, form, start, end))
        if not runs:
            return None
        first, last = runs[0][0], runs[-1][1]
        file.seek(last)
        is_cut = 0 < end - last < FRAME_SIZES[form](file.read(LARGEST_FRAME), 0)
        last = end if is_cut else last
        if (first, last) == (start, end) and not tagged and not is_cut:
            return None
        begin = first if first > start else 0  # with tags, if nothing else is before them
        return SoundSpan(
            begin, last if last < end or tagged else size, start, max(last, end), is_cut
        )


def _ends_with_frame(file: BinaryIO, form: str, end: int) -> bool:
    begun = max(end - NEAR, 0)
    file.seek(begun)
    data = file.read(end - begun)
    first = range(min(LARGEST_FRAME, len(data)))
    return any(_run(data, at, form) == len(data) for at in first)


def _run(data: bytes, at: int, form: str) -> int:
    """Return where frames end that follow one another from a place on."""
    while 0 < (size := FRAME_SIZES[form](data, at)) <= len(data) - at:
        at += size
    return at


def _runs(file: BinaryIO, form: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where frames follow one another: at least three, or up to the end."""
    at, begun, tag_at, tag_end = start, None, -1, -1
    while at < end:
        file.seek(at)
        data = file.read(min(PIECE, end - at))
        whole = at + len(data) == end
        place = 0
        while place < len(data) and (whole or len(data) - place >= NEAR):
            size = FRAME_SIZES[form](data, place)
            follows = begun is not None and 0 < size <= len(data) - place
            if not follows and begun is not None:
                yield begun, at + place
                begun = None
            if follows:
                place += size
            elif frames_at(data, place) == form or (
                size and whole and _run(data, place, form) == len(data)
            ):
                begun = tag_at if tag_end == at + place else at + place
            elif tag := id3_size(data, place):
                tag_at, tag_end = at + place, at + place + tag
                place += tag
            else:
                tags = data.find(b"ID3", place + 1, found := _next(data, place + 1, form))
                place = tags if tags >= 0 else found
        at += place
    if begun is not None:
        yield begun, min(at, end)


def _next(data: bytes, at: int, form: str) -> int:
    found = SYNC[form].search(data, at)
    return found.start() if found else len(data)


def first_start(path: Path) -> int | None:
    """Return where near the beginning of a file another one begins, if it doesn't itself."""
    with path.open("rb") as file:
        data = file.read(PIECE)
    places = [place for place, _ in starts(BytesIO(data), 1, "")][:1]
    for form in SYNC:
        at = _next(data, 1, form)
        while at < len(data) and frames_at(data, at) != form:
            at = _next(data, at + 1, form)
        places += [at] if at < len(data) else []
    return min(places, default=None)


def tags_end(file: BinaryIO) -> int:
    """Return where the tags at a file's beginning end."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(APE_SIZE)
        size = id3_size(head)
        if head[:8] == APE:
            size = APE_SIZE + int.from_bytes(head[12:16], "little")
        if not size:
            return at
        at += size


def tags_start(file: BinaryIO, size: int) -> int:
    """Return where the tags at a file's end begin, with what they are filled up with."""
    end = size
    while True:
        begun = max(end - PADDED, 0)
        file.seek(begun)
        data = file.read(end - begun)
        tags = _tag_size(data)
        if not 0 < tags <= end:
            return end
        end -= tags


def _tag_size(data: bytes) -> int:
    """Return how many bytes the last tag has, if there is one at the end or before zeros."""
    whole = data.rstrip(b"\0")
    at = whole.rfind(TAG_AT_END)
    is_ape = at >= 3 and whole.startswith(APE, at - 3)
    if at >= 0 and not is_ape and len(whole) <= at + TAG_SIZE <= len(data):
        more = at >= ENHANCED_SIZE and data.startswith(ENHANCED, at - ENHANCED_SIZE)
        return len(data) - at + (ENHANCED_SIZE if more else 0)
    size, filled = 0, len(data) - len(whole)
    at = whole.rfind(APE)
    footer = data[at : at + APE_SIZE] if at >= 0 else b""
    if len(footer) == APE_SIZE and at + APE_SIZE >= len(whole):
        size = int.from_bytes(footer[12:16], "little") + len(data) - at - APE_SIZE
        return size + (APE_SIZE if footer[23] & APE_HAS_HEADER else 0)
    if whole.endswith(LYRICS) and whole[-15:-9].isdigit():
        size = int(whole[-15:-9]) + 15
    elif whole.endswith(LYRICS_OLD) and (at := whole.rfind(LYRICS_BEGIN)) >= 0:
        size = len(whole) - at
    elif data[-10:-7] == ID3_AT_END:
        filled, size = 0, id3_size(b"ID3" + data[-7:-5] + b"\x10" + data[-4:])
    return size + filled if size else 0


def more_than_frame(path: Path, place: int) -> bool:
    """Say whether from a place on a file holds more than a frame of FLAC, padding and tags."""
    with path.open("rb") as file:
        end = tags_start(file, file.seek(0, os.SEEK_END))
        file.seek(place)
        data = file.read(min(max(end - place, 0), PIECE))
    frame = data.rstrip(b"\0")
    checks = [flac_checksum(frame)]
    for _ in range(min(len(data) - len(frame), 2)):  # which the frame's own checksum may end with
        checks.append(flac_checksum(bytes(1), checks[-1]))
    return bool(frame) and all(checks)


def flac_checksum(data: bytes, found: int = 0) -> int:
    """Return the checksum of bytes: 0 of a whole frame, whose last two are its own."""
    for byte in data:
        found = (found << 8 & 0xFFFF) ^ CHECKSUMS[found >> 8 ^ byte]
    return found


def told_beside(path: Path, where: str, start: int, end: int) -> list[Remark]:
    """Return what is to be said of a file's bytes between two places, which hold no sound.

    Parameters
    ----------
    path
        The file.
    where
        Its "beginning" or "end".
    start, end
        The places.
    """
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(max(min(end - start, PIECE), 0))
    lost = could_be_sound(content)
    text = f"{end - start} bytes at its {where} are no sound, and left out"
    return [Remark(text, lost)] if lost or any(content) else []


def could_be_sound(content: bytes) -> bool:
    """Say whether bytes without frames may be damaged ones: no text, no other file's."""
    if len(content) < LEAST or content.startswith(KNOWN):
        return False
    if not any(content):
        return len(content) > PADDED
    return bool(content[:PIECE].translate(None, TEXT))
