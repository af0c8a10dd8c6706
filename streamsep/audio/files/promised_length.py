"""How long a file says it is, as far as it does: what FFmpeg tells may be only a guess."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from streamsep.audio.files import mp3_header

# FFmpeg's names of formats whose header counts the samples, and FFmpeg says what it says.
COUNTED = ("aiff", "au", "flac", "tta", "wv", "ape", "tak", "mpc", "mpc8", "dsf")
HEAD = 2**16  # bytes within which headers are looked for
# A size that comes through a pipe and is larger is none: writers that can't go back and write the
# true one put about the largest number there that they know.
ENDLESS = 2**31 - 2**24
ENDLESS_AVI = 2**30  # frames or samples
UNKNOWN_32, UNKNOWN_64 = 2**32 - 1, 2**63  # sizes that stand for none
# Numbers of codecs in RIFF: sample by sample, and by blocks of so many.
PLAIN_TAGS, BLOCK_TAGS = (1, 3, 6, 7, 0xFFFE), (0x2, 0x11)
# Codecs of CAF whose packets are all alike; of others nothing is told by the bytes of one.
PLAIN_CAF = (b"lpcm", b"ulaw", b"alaw", b"ima4")
MOST_SAMPLES = 2**20  # in a packet, if what says so is true
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def promised_length_s(
    path: Path | None, container: Any, stream: Any, head: bytes = b""
) -> float | None:
    """Return how long an opened file says its sound is, or None.

    Parameters
    ----------
    path
        The file, or None for what can't be read twice.
    container, stream
        PyAV's, of the sound.
    head
        What such a thing began with.
    """
    form = container.format.name
    own = READERS.get(form)
    if own is not None:
        if path is None:
            return _promised_by_head(own, head, stream)
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
            end_s = 3_600.0 * int(hours) + 60 * int(minutes) + float(seconds)
            # The tag has when it ends by the time of the picture.
            return end_s - max(_seconds(stream.start_time, stream.time_base) or 0.0, 0.0)
    if whole_s(container) is not None and len(container.streams) == 1:
        return whole_s(container)
    return None


def _promised_by_head(
    own: Callable[[BinaryIO, Any], float | None], head: bytes, stream: Any
) -> float | None:
    with suppress(struct.error, ValueError, IndexError):
        return own(BytesIO(head), stream)
    return None


def whole_s(container: Any) -> float | None:
    """Return how long an opened file says the longest of its streams is."""
    if "matroska" in container.format.name or container.format.name in ("flv", "nut"):
        return (container.duration or 0) / 1e6 or None
    return None


def _seconds(ticks: int | None, step: Any) -> float | None:
    return float(ticks * step) if ticks and step else None


def _wav(file: BinaryIO, stream: Any) -> float | None:
    if file.read(4) not in (b"RIFF", b"RF64", b"BW64") or file.read(8)[4:] != b"WAVE":
        return None
    form, large = b"", UNKNOWN_64
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            size = large if size == UNKNOWN_32 else size
            return _of_bytes(file, form, size)
        body = file.read(min(size, HEAD))
        if head[:4] == b"fmt ":
            form = body
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
    file.seek(data + 24)
    return _of_bytes(file, head[form + 24 :], size)


def _of_bytes(file: BinaryIO, form: bytes, size: int) -> float | None:
    """Return how long bytes last in a format as RIFF describes it, if that is known."""
    is_pipe = isinstance(file, BytesIO)
    if len(form) < 16 or not 0 < size < (ENDLESS if is_pipe else UNKNOWN_64):
        return None
    tag, _, rate, bytes_a_second, block, _ = struct.unpack_from("<HHIIHH", form)
    if tag in BLOCK_TAGS and len(form) >= 20:
        samples = int.from_bytes(form[18:20], "little")
        return size / block * samples / rate if block and rate else None
    # What encoders write there of other codecs is often only about right.
    at = file.tell()
    known = tag in PLAIN_TAGS or (not is_pipe and file.seek(0, 2) < at + size)
    return size / bytes_a_second if bytes_a_second and known else None


def _caf(file: BinaryIO, stream: Any) -> float | None:
    file.seek(8)
    rate, codec, packet_bytes, packet_samples = 0.0, b"", 0, 0
    while len(head := file.read(12)) == 12:
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"desc":
            rate, codec, packet_bytes, packet_samples = struct.unpack(">d4s4xII8x", file.read(size))
            if not rate or packet_samples > MOST_SAMPLES:
                return None  # as FFmpeg writes for FLAC; all lengths are of the same kind then
        elif head[:4] == b"data" and packet_bytes:
            known = codec in PLAIN_CAF and size > 4
            return (size - 4) / packet_bytes * packet_samples / rate if known else None
        elif head[:4] == b"pakt":
            (samples,) = struct.unpack(">8xq", file.read(16))
            return samples / rate if samples > 0 else None
        elif size < 0:
            return None
        else:
            file.seek(size, 1)
    return None


def _avi(file: BinaryIO, stream: Any) -> float | None:
    head = file.read(HEAD)
    at = head.find(b"auds")
    if at < 0:
        return None
    scale, rate, start, count = struct.unpack_from("<4I", head, at + 20)
    return (start + count) * scale / rate if rate and 0 < count < ENDLESS_AVI else None


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
