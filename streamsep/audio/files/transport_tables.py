"""The tables of MPEG transport streams, which list what the packets after them hold."""

from __future__ import annotations

from pathlib import Path

from streamsep.audio.files.file_starts import TRANSPORT_PACKET

SYNC = 0x47
BEGINS, HAS_HEADER = 0x40, 0x20  # flags: of a unit in a packet, of more header before it
LOOK_FOR_TABLE = 2**16  # bytes
CHECKSUM = 4


def table_before(path: Path, place: int, after: int) -> int:
    """Return where the table of a transport stream is that lists what begins at a place.

    That is before it, but after another; the place itself if there is none.
    """
    with path.open("rb") as file:
        for at in range(place, after, -TRANSPORT_PACKET):
            file.seek(at)
            head = file.read(3)
            if len(head) == 3 and head[0] == SYNC and not head[1] & 0x1F and not head[2]:
                return at
    return place


def listed_kinds(path: Path, place: int) -> list[tuple[int, int]]:
    """Return number and kind of each stream of the first programme that is listed from a place on.

    Nothing if no table is near, or it is none.
    """
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(LOOK_FOR_TABLE)
    table: int | None = None
    for at in range(0, len(data) - TRANSPORT_PACKET + 1, TRANSPORT_PACKET):
        packet = data[at : at + TRANSPORT_PACKET]
        if packet[0] != SYNC:
            break
        number = (packet[1] & 0x1F) << 8 | packet[2]
        if packet[1] & BEGINS and number == (table or 0):
            section = _section(packet)
            if table is not None:
                return _kinds(section)
            table = _first_table(section)
    return []


def _section(packet: bytes) -> bytes:
    """Return the table in a packet, without its checksum."""
    start = 4 + (1 + packet[4] if packet[3] & HAS_HEADER else 0)
    section = packet[start:][1 + packet[start : start + 1][0] :] if start < len(packet) else b""
    length = (section[1] & 0x0F) << 8 | section[2] if len(section) > 2 else 0
    return section[: max(3 + length - CHECKSUM, 0)]


def _first_table(section: bytes) -> int | None:
    for at in range(8, len(section) - 3, 4):
        if section[at] or section[at + 1]:  # a programme, and not the network's table
            return (section[at + 2] & 0x1F) << 8 | section[at + 3]
    return None


def _kinds(section: bytes) -> list[tuple[int, int]]:
    found = []
    at = 12 + ((section[10] & 0x0F) << 8 | section[11]) if len(section) >= 12 else len(section)
    while at + 5 <= len(section):
        found.append(((section[at + 1] & 0x1F) << 8 | section[at + 2], section[at]))
        at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
    return found
