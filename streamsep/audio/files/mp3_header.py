"""What the first frame of an MP3 says of its length, and what its frames say.

MPEG audio has no header of the whole: encoders put a silent frame first that tells the number of
frames (Xing, Info or VBRI), or they don't, and decoders guess by the first bit rate.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DECODER_DELAY = 529  # samples that any MP3 decoder is late
LOOK_FOR_SYNC = 2**17  # bytes after the tags within which the first frame is looked for
VERSION_1 = 3
BIT_RATES = {  # kbit/s by version 1 or later, and layer
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44_100, 48_000, 32_000)


class FrameHeader(NamedTuple):
    """The four bytes before each frame."""

    size: int  # bytes, with the header
    samples: int
    sample_rate: int
    side_info: int  # bytes between header and what an Info frame says


class Info(NamedTuple):
    """What a silent first frame says."""

    samples: int | None  # of sound, without what the encoder added; None where it doesn't say
    delay: int  # samples before the sound
    padding: int = 0  # samples behind it, as decoders give them


def frame_header(data: bytes, at: int = 0) -> FrameHeader | None:
    """Return the header at a place in ``data``, or None if there is none."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    rate_index, bit_index = data[at + 2] >> 2 & 3, data[at + 2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or bit_index in (0, 15):
        return None
    is_first = version == VERSION_1
    rate = RATES[rate_index] >> (0 if is_first else 1 if version == 2 else 2)
    bit_rate = 1_000 * BIT_RATES[is_first, layer][bit_index]
    padding = data[at + 2] >> 1 & 1
    samples = 384 if layer == 1 else 1_152 if layer == 2 or is_first else 576
    if layer == 1:
        size = (12 * bit_rate // rate + padding) * 4
    else:
        size = samples // 8 * bit_rate // rate + padding
    mono = data[at + 3] >> 6 == 3
    side = (17 if mono else 32) if is_first else (9 if mono else 17)
    return FrameHeader(size, samples, rate, side)


def id3_size(data: bytes, at: int = 0) -> int:
    """Return the bytes of the ID3v2 tag at a place in ``data``, 0 if there is none."""
    head = data[at : at + 10]
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def read_info(frame: bytes) -> Info | None:
    """Return what a frame says of the whole file, or None if it is one of sound."""
    header = frame_header(frame)
    if header is None:
        return None
    at = 4 + header.side_info
    if frame[at : at + 4] in (b"Xing", b"Info"):
        at += 8
        flags, frames = int.from_bytes(frame[at - 1 : at], "big"), None  # which may be cut off
        if flags & 1:
            frames = int.from_bytes(frame[at : at + 4], "big")
            at += 4
        at += (4 if flags & 2 else 0) + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
        # LAME's part, which others write too: after nine bytes for its name twelve of other things.
        added = frame[at + 21 : at + 24]
        delay, padding = 0, 0
        if len(added) == 3 and any(frame[at : at + 4]):
            delay, padding = added[0] << 4 | added[1] >> 4, (added[1] & 15) << 8 | added[2]
        samples = frames * header.samples - delay - padding if frames else None
        left = max(padding - DECODER_DELAY, 0)
        return Info(samples, delay + DECODER_DELAY if delay else 0, left)
    if frame[36:40] == b"VBRI":
        frames = int.from_bytes(frame[50:54], "big")
        return Info(frames * header.samples if frames else None, 0)
    return None


def promised_s(path: Path) -> float | None:
    """Return how long an MP3 file says it is, or None if it doesn't."""
    data = head_of(path)
    found, info = first_frame(data), first_info(data)
    if found is None or info is None or info.samples is None:
        return None
    return max(info.samples, 0) / found[1].sample_rate


def head_of(path: Path, start: int = 0) -> bytes:
    """Return the beginning of an MP3 that begins at a place in a file, behind its tags."""
    with path.open("rb") as file:
        file.seek(start)
        while size := id3_size(file.read(10)):
            start += size
            file.seek(start)
        file.seek(start)
        return file.read(LOOK_FOR_SYNC)


def first_info(data: bytes) -> Info | None:
    """Return what the first frame says of the whole file, if it is none of sound."""
    if (found := first_frame(data)) is None:
        return None
    start, header = found
    return read_info(data[start : start + header.size])


def first_frame(data: bytes) -> tuple[int, FrameHeader] | None:
    """Return where the first frame is that another one follows, and its header."""
    at = data.find(b"\xff")
    while at >= 0:
        header = frame_header(data, at)
        if header is not None:
            after = frame_header(data, at + header.size)
            if after is not None and after.sample_rate == header.sample_rate:
                return at, header
        at = data.find(b"\xff", at + 1)
    return None


def held_s(path: Path) -> float:
    """Return how long the frames of an MP3 file are together, joined files and all."""
    samples, rate = 0, 1
    with path.open("rb") as file:
        data, at, start = file.read(LOOK_FOR_SYNC), 0, 0
        while True:
            if len(data) - at < 8_192:  # more than any frame
                start += at
                file.seek(start)
                data, at = file.read(LOOK_FOR_SYNC), 0
            if at >= len(data):
                return samples / rate
            if size := id3_size(data, at):
                at += size
                continue
            header = frame_header(data, at)
            if header is None or not header.size:
                following = data.find(b"\xff", at + 1)
                at = following if following >= 0 else len(data)
                continue
            if read_info(data[at : at + header.size]) is None:
                samples, rate = samples + header.samples, header.sample_rate
            at += header.size
