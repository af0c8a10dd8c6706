"""The blocks of WavPack files: where the next one begins, behind damage.

FFmpeg's reader takes up the block after each one where that says it ends, or gives up.
"""

from __future__ import annotations

import re
from pathlib import Path

from streamsep.audio.files.file_starts import PIECE

HEADER = 32  # bytes of a block before what it holds
LARGEST = 2**20
BLOCK = re.compile(rb"wvpk(.{4})[\x02-\x10]\x04.{14}", re.DOTALL)
FIRST_OF_FRAME = 0x08  # in the second byte of its flags: more channels have more blocks


def next_block(path: Path, after: int) -> int | None:
    """Return where from a place on a block begins that a decoder can begin with.

    None if there is none, or another file begins with it.
    """
    with path.open("rb") as file:
        at, data = after, b""
        file.seek(after)
        while piece := file.read(PIECE):
            data = data[-(HEADER - 1) :] + piece
            begun = at + len(piece) - len(data)
            for match in BLOCK.finditer(data, 0, len(data)):
                head = data[match.start() : match.start() + HEADER]
                if len(head) < HEADER:
                    break
                size = int.from_bytes(head[4:8], "little") + 8
                number, samples = head[16:20], int.from_bytes(head[20:24], "little")
                if head[25] & FIRST_OF_FRAME and samples and HEADER < size <= LARGEST:
                    return begun + match.start() if any(number) else None
            at += len(piece)
    return None
