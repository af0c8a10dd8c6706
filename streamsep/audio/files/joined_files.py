"""Files that hold one file after the other, and headers that say less than there is.

``cat a.wav b.wav`` is two whole files: a decoder that goes by the first header ends with it. The
streams among the formats (MP3, AAC, MPEG-TS, Matroska) need nothing of this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

# FFmpeg's name of a format whose first end it doesn't read beyond, to what such a file begins with,
# and how far before that the file begins.
STARTS: dict[str, tuple[re.Pattern[bytes], int]] = {
    "wav": (re.compile(rb"(?:RIFF|RF64|BW64)....WAVE", re.DOTALL), 0),
    "aiff": (re.compile(rb"FORM....AIF[FC]", re.DOTALL), 0),
    "caf": (re.compile(rb"caff\0[\0-\2]\0\0desc"), 0),
    "w64": (re.compile(rb"riff\x2e\x91\xcf\x11"), 0),
    # The block with the first sample.
    "wv": (re.compile(rb"wvpk....[\x02-\x10]\x04.{6}\x00{4}", re.DOTALL), 0),
    "tta": (re.compile(rb"TTA1[\1\2]\0"), 0),
    "flv": (re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09\0\0\0\0"), 0),
    "asf": (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), 0),
    "voc": (re.compile(rb"Creative Voice File\x1a\x1a\0"), 0),
    "mov,mp4,m4a,3gp,3g2,mj2": (re.compile(rb"ftyp[\w ]{4}"), 4),
}
# Formats that FFmpeg reads on in, and mistakes what comes for more of the first: they are cut into
# parts before. The group is there in what begins a part, as far as it follows something else.
CUT: dict[str, re.Pattern[bytes]] = {
    "nut": re.compile(rb"(nut/multimedia container\0)"),
    "flac": re.compile(rb"(fLaC)[\x00\x80]\x00\x00\x22"),
    "ogg": re.compile(rb"OggS\x00(?:([\x02\x06])|.)", re.DOTALL),
}
PIECE, OVERLAP = 2**20, 64
TRANSPORT_PACKET = 188
CHUNK_NAME = re.compile(rb"[\x20-\x7e]{4}")
WRAP = 2**32  # where the sizes in RIFF headers begin anew


class PartOfFile:
    """A file from a place on, up to another; has what PyAV needs of one.

    Parameters
    ----------
    path
        The file.
    start, end
        Places in it; None for its end.
    zeros
        Places in the file of four bytes each that are read as zeros.
    """

    def __init__(
        self, path: Path, start: int, end: int | None = None, zeros: Sequence[int] = ()
    ) -> None:
        self.name = str(path)
        self._file, self._start, self._end = path.open("rb"), start, end
        self._zeros = zeros
        self._file.seek(start)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if self._end is not None:
            left = max(self._end - self._file.tell(), 0)
            size = min(size, left) if size >= 0 else left
        at = self._file.tell()
        data = self._file.read(size)
        for zeros in self._zeros:
            first, last = max(zeros - at, 0), min(zeros + 4 - at, len(data))
            if first < last:
                data = data[:first] + bytes(last - first) + data[last:]
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
    """Return where from a place on another file of the same format begins, if one does."""
    if form not in STARTS:
        return None
    pattern, before = STARTS[form]
    with path.open("rb") as file:
        file.seek(after + before)  # or a file without sound would be its own successor
        data = b""
        while piece := file.read(PIECE):
            data = data[-OVERLAP:] + piece
            if found := pattern.search(data):
                return file.tell() - len(data) + found.start() - before
    return None


def cuts(path: Path, form: str) -> list[int]:
    """Return where in a file other files of its format begin, if FFmpeg has to be told."""
    if form not in CUT:
        return []
    found: list[int] = []
    between = form != "ogg"  # the first pages of all streams of an Ogg file come one by one
    with path.open("rb") as file:
        data, start = b"", 0
        while piece := file.read(PIECE):
            data += piece
            for match in CUT[form].finditer(data):
                if match.start() > len(data) - OVERLAP and len(piece) == PIECE:
                    break  # comes again
                place = start + match.start()
                if match[1] is None:
                    between = True
                elif between and place and place not in found[-1:]:
                    found.append(place)
                    between = form != "ogg"
            start += max(len(data) - OVERLAP, 0)
            data = data[-OVERLAP:]
    return found


def size_that_says_too_little(path: Path) -> int | None:
    """Return where a WAV file tells the size of its sound, if more sound follows than that.

    As it does when its writer was killed, or when it has more than 4 GB, where sizes begin anew.
    """
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        found = _data_chunk(file, end)
        if found is None:
            return None
        start, size = found
        after = start + size + size % 2
        if after >= end or not size:
            return None
        if end - after < WRAP - PIECE:
            # Chunks follow, or another file. Eight bytes of sound are nearly never such a header.
            file.seek(after)
            head = file.read(8)
            filled_up = not any(head) and end - after < PIECE
            if filled_up or CHUNK_NAME.match(head):
                return None
        return start - 4


def _data_chunk(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Return where the sound of a WAV file begins, and how many bytes it is said to have."""
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
        return None
    at = 12
    while at + 8 <= end:
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return at + 8, size
        at += 8 + size + size % 2
    return None


def table_before(path: Path, place: int, after: int) -> int:
    """Return where the table of a transport stream is that lists what begins at a place.

    That is before it, but after another; the place itself if there is none.
    """
    with path.open("rb") as file:
        for at in range(place, after, -TRANSPORT_PACKET):
            file.seek(at)
            head = file.read(3)
            if len(head) == 3 and head[0] == 0x47 and not head[1] & 0x1F and not head[2]:
                return at
    return place
