"""Whether the end of a file is that of its last packet, by the packets' own sizes."""

from __future__ import annotations

from pathlib import Path

from streamsep.audio.files.file_starts import TRANSPORT_PACKET
from streamsep.audio.files.transport_tables import SYNC

OGG_PAGE = 27 + 255 + 255 * 255  # bytes, at most
DISC_PACKET = 192
# Of a program stream (ISO 13818-1, 2.5.3): packs, whose headers have no size, the end, packets.
PREFIX, PACK, END, FIRST_PACKET = b"\0\0\1", 0xBA, 0xB9, 0xBB
PACK_1, PACK_2 = 12, 14  # bytes of a header by MPEG-1 and, stuffing aside, MPEG-2
PROGRAM_TAIL = 2**18  # some of the largest packets
NUT_INDEX = bytes.fromhex("4e58dd672f23e64e")


def is_cut(path: Path, form: str, end: int) -> bool:
    """Say whether sound of a format, by FFmpeg's name, surely doesn't end where it is whole."""
    if form == "mpegts":
        return _transport_is_cut(path)
    if form == "mpeg":
        return _program_is_cut(_tail(path, end, PROGRAM_TAIL))
    return form == "nut" and not _has_nut_index(path, end)


def ogg_is_cut(path: Path, end: int) -> bool:
    """Say whether the last page before an Ogg file's end isn't marked as such, or isn't whole."""
    tail = _tail(path, end, OGG_PAGE)
    last = tail.rfind(b"OggS")
    page = tail[last:]
    if last < 0 or len(page) < 27:
        return last >= 0
    lengths = page[27 : 27 + page[26]]
    return not page[5] & 4 or len(page) < 27 + page[26] + sum(lengths)


def _tail(path: Path, end: int, most: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(end - most, 0))
        return file.read(min(end, most))


def _transport_is_cut(path: Path) -> bool:
    """Packets are all alike, with four bytes before each on discs."""
    with path.open("rb") as file:
        head = file.read(4 * DISC_PACKET)
        size = file.seek(0, 2)
    for packet, first in ((TRANSPORT_PACKET, 0), (DISC_PACKET, 4)):
        places = range(first, len(head), packet)
        if len(places) > 2 and all(head[at] == SYNC for at in places):
            return bool(size % packet)
    return False


def _program_is_cut(tail: bytes) -> bool:
    """From the first pack header on which one packet follows another, the last one isn't whole."""
    start = PREFIX + bytes([PACK])
    first = tail.find(start)
    while first >= 0:
        at = first
        while at < len(tail) and (size := _program_size(tail[at : at + PACK_2])):
            at += size
        if at >= len(tail):
            return at > len(tail)
        first = tail.find(start, first + 1)
    return False


def _program_size(head: bytes) -> int:
    """Return the bytes of what begins so: more than are left if they don't tell, 0 for nothing."""
    if head[:3] != PREFIX[: len(head)]:
        return 0
    unknown = len(head) + 1
    kind = head[3] if len(head) > 3 else PACK
    if kind == END:
        return 4
    if kind >= FIRST_PACKET:
        return 6 + int.from_bytes(head[4:6], "big") if len(head) >= 6 else unknown
    if kind != PACK:
        return 0
    if len(head) < PACK_1 or (head[4] >> 6 == 1 and len(head) < PACK_2):
        return unknown
    return PACK_2 + (head[13] & 7) if head[4] >> 6 == 1 else PACK_1


def _has_nut_index(path: Path, end: int) -> bool:
    """FFmpeg ends a NUT file with an index, the bytes of it in front of the last four."""
    size = int.from_bytes(_tail(path, end, 12)[:8], "big")
    if size > end:
        return False
    with path.open("rb") as file:
        file.seek(end - size)
        return file.read(len(NUT_INDEX)) == NUT_INDEX
