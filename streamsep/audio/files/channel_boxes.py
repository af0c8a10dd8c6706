"""What QuickTime and CAF files say of their channels, and how FFmpeg is kept from it.

FFmpeg 8 frees the names of channels twice where their order isn't its own, as Apple's programs
have it of more than two, and the whole program is aborted. So these boxes are read here, and FFmpeg
gets the file without them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from streamsep.audio.files.joined_files import PartOfFile
from streamsep.audio.files.mp4_boxes import BEGINNINGS, HEADER, INDEX_NEAR, boxes, index_end
from streamsep.audio.files.pipe_input import PipeInput

MOST_BYTES = 2**26  # of an index that is looked at
CAF = b"caff"
CAF_HEAD = 8  # bytes before the first chunk
CAF_HEADS = 2**16  # bytes within which chunks before the sound are looked for in a pipe
# The box in an index: its name after its size, no flags, a tag, a bit for each speaker, and
# descriptions of 20 bytes.
BOX = re.compile(rb"chan\0{4}(.{4})(.{4})(.{4})", re.DOTALL)
BY_DESCRIPTIONS, BY_BITS = 0, 0x10000
# By FFmpeg's names: the speakers of bits and descriptions, and those of tags.
SPEAKERS = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC"),
    *("SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
MORE = {35: "WL", 36: "WR", 37: "LFE2", 38: "DL", 39: "DR"}
TAGS = {
    100: "FC",
    103: "DL DR",
    108: "FL FR BL BR",
    109: "FL FR SL SR FC",
    110: "FL FR SL SR FC BC",
    111: "FL FR SL SR FC BC WL WR",
    113: "FL FR FC",
    114: "FC FL FR",
    115: "FL FR FC BC",
    116: "FC FL FR BC",
    117: "FL FR FC SL SR",
    118: "FL FR SL SR FC",
    119: "FL FC FR SL SR",
    120: "FC FL FR SL SR",
    121: "FL FR FC LFE SL SR",
    122: "FL FR SL SR FC LFE",
    123: "FL FC FR SL SR LFE",
    124: "FC FL FR SL SR LFE",
    125: "FL FR FC LFE SL SR BC",
    126: "FL FR FC LFE SL SR FLC FRC",
    127: "FC FLC FRC FL FR SL SR LFE",
    128: "FL FR FC LFE SL SR BL BR",
    129: "FL FR SL SR FC LFE FLC FRC",
    131: "FL FR BC",
    132: "FL FR SL SR",
    133: "FL FR LFE",
    134: "FL FR LFE BC",
    135: "FL FR LFE SL SR",
    136: "FL FR FC LFE",
    137: "FL FR FC LFE BC",
    138: "FL FR SL SR LFE",
    139: "FL FR SL SR FC BC",
    140: "FL FR SL SR FC BL BR",
    141: "FC FL FR SL SR BC",
    142: "FC FL FR SL SR BC LFE",
    143: "FC FL FR SL SR BL BR",
    144: "FC FL FR SL SR BL BR BC",
    148: "FL FR SL SR FC FLC FRC",
    149: "FC LFE",
    150: "FL FC FR",
    151: "FL FC FR BC",
    152: "FL FC FR LFE",
    153: "FL FR BC LFE",
    154: "FL FC FR BC LFE",
}


class ChannelBox(NamedTuple):
    """Where in a file a box has its name, what it is part of, and the speakers that it tells."""

    place: int
    within: int
    speakers: tuple[str, ...]


def channel_boxes(path: Path, start: int = 0) -> list[ChannelBox]:
    """Return the boxes of a QuickTime, MP4 or CAF file that tell of its channels; else nothing.

    Parameters
    ----------
    path
        The file.
    start
        Where it begins in what has that path.
    """
    with closing(PartOfFile(path, start)) as file:
        found = _boxes_in(cast(BinaryIO, file))
    return [box._replace(place=start + box.place, within=start + box.within) for box in found]


def hidden_boxes(file: PipeInput | BinaryIO) -> list[ChannelBox]:
    """Return the boxes of what comes through a pipe, or of a copy of it, and hide them in there."""
    if isinstance(file, PipeInput):
        head = file.peek(HEADER)
        if head[:4] == CAF:
            size = CAF_HEADS
        elif head[4:] in BEGINNINGS:
            size = index_end(file.peek(INDEX_NEAR)) or 0
        else:
            return []
        found = _boxes_in(BytesIO(file.peek(size)))
        file.hide([box.place for box in found])
        return found
    found = _boxes_in(file)
    for box in found:
        file.seek(box.place)
        file.write(bytes(4))
    file.seek(0)
    return found


def _boxes_in(file: BinaryIO) -> list[ChannelBox]:
    head = file.read(HEADER)
    if head[:4] == CAF:
        return _of_caf(file)
    return _of_index(file) if head[4:] in BEGINNINGS else []


def without_channel_boxes(path: Path) -> PartOfFile | None:
    """Return a file as FFmpeg may read it, or None if it may have it as it is."""
    found = channel_boxes(path)
    return PartOfFile(path, 0, replaced=zeroed(found)) if found else None


def zeroed(boxes: Sequence[ChannelBox]) -> dict[int, bytes]:
    """Return what is to be read at their places for FFmpeg to pass over them."""
    return {box.place: bytes(4) for box in boxes}


def _of_caf(file: BinaryIO) -> list[ChannelBox]:
    found, begun = [], 0
    whole = file.seek(0, 2)
    file.seek(0)
    while len(head := file.read(12)) == 12:
        place, size = file.tell(), int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == CAF:  # of the file, or of another one behind it
            begun = place - 12
            file.seek(place - 12 + CAF_HEAD)
            continue
        if not 0 <= size <= whole - place:  # up to the end
            break
        if head[:4] == b"chan":
            speakers = _speakers(file.read(min(size, MOST_BYTES)))
            found.append(ChannelBox(place - 12, begun, speakers))
        file.seek(place + size)
    return found


def _of_index(file: BinaryIO) -> list[ChannelBox]:
    found = []
    whole = file.seek(0, 2)
    for box in boxes(file, 0, whole):
        if box.kind in (b"moov", b"moof"):
            file.seek(box.start)
            data = file.read(min(box.size, MOST_BYTES))
            for match in BOX.finditer(data):
                at = match.start()
                size = int.from_bytes(data[at - 4 : at], "big")
                if size >= HEADER + 16:
                    speakers = _speakers(data[at + 8 : at - 4 + size])
                    found.append(ChannelBox(box.start + at, box.start, speakers))
    return found


def _speakers(content: bytes) -> tuple[str, ...]:
    if len(content) < 12:
        return ()
    tag, bits, count = struct.unpack_from(">3I", content)
    if tag == BY_BITS:
        return tuple(name for bit, name in enumerate(SPEAKERS) if bits >> bit & 1)
    if tag == BY_DESCRIPTIONS:
        labels = [content[at : at + 4] for at in range(12, len(content) - 19, 20)][:count]
        return tuple(_of_label(int.from_bytes(label, "big")) for label in labels)
    return tuple(TAGS.get(tag >> 16, "").split())


def _of_label(label: int) -> str:
    if 1 <= label <= len(SPEAKERS):
        return SPEAKERS[label - 1]
    return MORE.get(label, "NONE")
