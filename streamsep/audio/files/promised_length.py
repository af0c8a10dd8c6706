"""How long a file says it is, as far as it does: what FFmpeg tells may be only a guess."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from streamsep.audio.files import mp3_header

# FFmpeg's names of formats whose header counts the samples, and FFmpeg says what it says.
COUNTED = ("aiff", "au", "flac", "tta", "wv", "ape", "tak", "mpc", "mpc8", "dsf")
HEAD = 2**16  # bytes within which headers are looked for
OGG_PAGE = 27 + 255 + 255 * 255  # bytes, at most
UNKNOWN_32, UNKNOWN_64 = 2**32 - 1, 2**63  # sizes that stand for none
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def promised_length_s(path: Path | None, container: Any, stream: Any) -> float | None:
    """Return how long an opened file says its sound is, or None.

    Parameters
    ----------
    path
        The file, or None for what can't be read twice.
    container, stream
        PyAV's, of the sound.
    """
    form = container.format.name
    own = READERS.get(form)
    if own is not None:
        if path is None:
            return None
        with suppress(OSError, struct.error, ValueError), path.open("rb") as file:
            return own(file, stream)
        return None
    if form == "mp3":
        return mp3_header.promised_s(path) if path is not None else None
    if form in COUNTED or "mp4" in form:
        return _seconds(stream.duration, stream.time_base)
    if "matroska" in form:
        tag = next((t for key, t in stream.metadata.items() if key.startswith("DURATION")), "")
        if found := re.match(r"(\d+):(\d+):([\d.]+)", tag):
            hours, minutes, seconds = found.groups()
            return 3_600.0 * int(hours) + 60 * int(minutes) + float(seconds)
    if whole_s(container) is not None and len(container.streams) == 1:
        return whole_s(container)
    return None


def whole_s(container: Any) -> float | None:
    """Return how long an opened file says the longest of its streams is."""
    if "matroska" in container.format.name or container.format.name == "flv":
        return (container.duration or 0) / 1e6 or None
    return None


def _seconds(ticks: int | None, step: Any) -> float | None:
    return float(ticks * step) if ticks and step else None


def _wav(file: BinaryIO, stream: Any) -> float | None:
    if file.read(4) not in (b"RIFF", b"RF64", b"BW64") or file.read(8)[4:] != b"WAVE":
        return None
    rate, large = 0, UNKNOWN_64
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            size = large if size == UNKNOWN_32 else size
            return size / rate if size and rate and size < UNKNOWN_64 else None
        body = file.read(min(size, HEAD))
        if head[:4] == b"fmt ":
            rate = int.from_bytes(body[8:12], "little")
        elif head[:4] == b"ds64":
            large = int.from_bytes(body[8:16], "little")
        file.seek(size - len(body) + size % 2, 1)
    return None


def _w64(file: BinaryIO, stream: Any) -> float | None:
    head = file.read(HEAD)
    data, form = head.find(W64_DATA), head.find(b"fmt \xf3\xac\xd3\x11")
    if data < 0 or form < 0:
        return None
    size = int.from_bytes(head[data + 16 : data + 24], "little") - 24
    rate = int.from_bytes(head[form + 32 : form + 36], "little")
    return size / rate if 0 < size < UNKNOWN_64 and rate else None


def _caf(file: BinaryIO, stream: Any) -> float | None:
    file.seek(8)
    rate = packet_bytes = packet_samples = 0.0
    while len(head := file.read(12)) == 12:
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"desc":
            rate, packet_bytes, packet_samples = struct.unpack(">d8xII8x", file.read(size))
        elif head[:4] == b"data":
            if size > 4 and packet_bytes and packet_samples and rate:
                return (size - 4) / packet_bytes * packet_samples / rate
            return _seconds(stream.duration, stream.time_base) if size > 0 else None
        else:
            file.seek(size, 1)
    return None


def _avi(file: BinaryIO, stream: Any) -> float | None:
    head = file.read(HEAD)
    at = head.find(b"auds")
    if at < 0:
        return None
    scale, rate, start, count = struct.unpack_from("<4I", head, at + 20)
    return (start + count) * scale / rate if rate and count else None


def _asf(file: BinaryIO, stream: Any) -> float | None:
    head = file.read(HEAD)
    at = head.find(ASF_FILE)
    if at < 0:
        return None
    steps, preroll_ms = struct.unpack_from("<Q8xQ", head, at + 64)
    return steps / 1e7 - preroll_ms / 1e3 if steps else None


READERS: dict[str, Callable[[BinaryIO, Any], float | None]] = {
    "wav": _wav,
    "w64": _w64,
    "caf": _caf,
    "avi": _avi,
    "asf": _asf,
}


def ogg_is_cut(path: Path, end: int) -> bool:
    """Say whether the last page before an Ogg file's end isn't marked as such, or isn't whole."""
    with path.open("rb") as file:
        file.seek(max(end - OGG_PAGE, 0))
        tail = file.read(min(end, OGG_PAGE))
    last = tail.rfind(b"OggS")
    page = tail[last:]
    if last < 0 or len(page) < 27:
        return last >= 0
    lengths = page[27 : 27 + page[26]]
    return not page[5] & 4 or len(page) < 27 + page[26] + sum(lengths)
