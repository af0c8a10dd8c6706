"""What files begin with: where in a file another one begins, of its own format or of any other."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import BinaryIO, NamedTuple

from streamsep.audio.files.mp3_header import frame_header, id3_size

PIECE, OVERLAP = 2**20, 64
FRAMES = 3  # that follow one another are no chance
MOST_FRAMES = FRAMES * 2**13  # bytes of them
TRANSPORT_PACKET = 188
TAG_AT_END, TAG_SIZE = b"TAG", 128
MOST_AC3 = 10  # by number of its version; later ones are E-AC-3
AC3_BIT_RATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160),
    *(192, 224, 256, 320, 384, 448, 512, 576, 640),
)


class Start(NamedTuple):
    """What a file of a format begins with.

    Attributes
    ----------
    form
        FFmpeg's name of the format, but that it calls RF64 WAV too.
    letters
        What is looked for.
    pattern
        What stands there, then.
    before
        Bytes of the file before these letters.
    """

    form: str
    letters: bytes
    pattern: re.Pattern[bytes]
    before: int = 0


def _start(form: str, letters: bytes, more: bytes = b"", before: int = 0) -> Start:
    return Start(form, letters, re.compile(re.escape(letters) + more, re.DOTALL), before)


ID3 = "id3"  # before frames of several formats
STARTS = (
    _start("wav", b"RIFF", rb"....WAVE"),
    _start("rf64", b"RF64", rb"....WAVE"),
    _start("rf64", b"BW64", rb"....WAVE"),
    _start("avi", b"RIFF", rb"....AVI LIST"),
    _start("aiff", b"FORM", rb"....AIF[FC]"),
    _start("caf", b"caff\0", rb"[\0-\2]\0\0desc"),
    _start("w64", b"riff\x2e\x91\xcf\x11"),
    _start("wv", b"wvpk", rb"....[\x02-\x10]\x04.{6}\x00{4}"),  # the block with the first sample
    _start("tta", b"TTA1", rb"[\1\2]\0"),
    _start("flv", b"FLV\x01", rb"[\x01\x04\x05]\0\0\0\x09\0\0\0\0"),
    _start("asf", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", rb"\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    _start("voc", b"Creative Voice File\x1a", rb"\x1a\0"),
    Start("mov,mp4,m4a,3gp,3g2,mj2", b"ftyp", re.compile(rb"(?<=\0\0\0.)ftyp[\w ]{4}", 16), 4),
    _start("nut", b"nut/multimedia container\0"),
    # But not within Ogg.
    Start("flac", b"fLaC", re.compile(rb"(?<!\x7fFLAC\x01\x00..)fLaC[\x00\x80]\x00\x00\x22", 16)),
    _start("ogg", b"OggS\0", rb"[\x02\x06]\0{8}"),
    _start("matroska,webm", b"\x1a\x45\xdf\xa3", rb".{1,16}\x42\x86"),
    _start("au", b".snd", rb"\0\0......\0\0\0[\1-\x20]"),
    _start("amr", b"#!AMR", rb"(?:-WB)?\n"),
    _start("ape", b"MAC ", rb"[\x8c-\xff]\x0f\0\0"),
    _start("dsf", b"DSD ", rb"\x1c\0{7}"),
    # But not as a chunk of another file.
    Start(
        ID3, b"ID3", re.compile(rb"(?<![iI][dD]3 ....)ID3[\2-\4]\0[\0\x10-\xf0][\0-\x7f]{4}", 16)
    ),
)
# Those that are looked for in all of a file: each takes time.
USUAL = ("wav", "aiff", "flac", "ogg", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", ID3)
# Formats whose frames FFmpeg takes up wherever it finds them, whatever was before.
BARE = ("mp3", "aac", "ac3", "eac3", "dts")
# Formats of sound alone, of which nothing that follows is a part.
SOUND_ONLY = ("wav", "w64", "aiff", "au", "caf", "flac", "ogg", "tta", "wv", "voc", *BARE)


def starts(
    file: BinaryIO, after: int, form: str, kinds: Container[str] | None = None
) -> Iterator[tuple[int, str]]:
    """Yield where from a place on files begin, and their formats, as far as these tell.

    Parameters
    ----------
    file
        The file.
    after
        The place.
    form
        That of what is before it: a `BARE` one goes on with more of the same.
    kinds
        Which formats are looked for; all, unless said.
    """
    at, data = after, b""
    while True:
        file.seek(at)
        if not (piece := file.read(PIECE)):
            return
        at += len(piece)
        data = data[-2 * OVERLAP :] + piece
        begun = at - len(data)
        last = len(data) if len(piece) < PIECE else len(data) - OVERLAP
        for offset, kind in sorted(_matches(data, last, kinds)):
            place = begun + offset
            if place < after:
                continue
            after = place + 1
            found = form_at(file, place) if kind == ID3 else kind
            if found is not None and (found != form or form not in BARE):
                yield place, found


def last_start(data: bytes) -> int | None:
    """Return where the last file begins in ``data`` but for its last `OVERLAP` bytes."""
    return max((place for place, _ in _matches(data, len(data) - OVERLAP)), default=None)


def form_at(file: BinaryIO, place: int) -> str | None:
    """Return the format of what begins at a place, as far as that tells, tags left aside."""
    file.seek(place)
    while size := id3_size(file.read(10)):
        place += size
        file.seek(place)
    file.seek(place)
    data = file.read(MOST_FRAMES)
    found = next((form for at, form in _matches(data, OVERLAP) if not at), None)
    return found or frames_at(data, 0)


def _matches(
    data: bytes, last: int, kinds: Container[str] | None = None
) -> Iterator[tuple[int, str]]:
    for start in STARTS:
        if kinds is not None and start.form not in kinds:
            continue
        at = data.find(start.letters)
        while 0 <= at < last:
            if start.pattern.match(data, at):
                yield at - start.before, start.form
            at = data.find(start.letters, at + 1)


def first_frames(data: bytes, form: str) -> int | None:
    """Return where frames of another format begin that follow the end of one of sound alone."""
    if form not in SOUND_ONLY:
        return None
    own = "ac3" if form == "eac3" else form
    at = TAG_SIZE if data.startswith(TAG_AT_END) else 0
    while 0 <= at < len(data):
        found = frames_at(data, at)
        if found not in (None, own):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def frames_at(data: bytes, at: int) -> str | None:
    """Return the format of frames that follow one another from a place in ``data`` on."""
    for form, size_at in FRAME_SIZES.items():
        place = at
        for _ in range(FRAMES):
            size = size_at(data, place)
            if not size:
                break
            place += size
        else:
            return form
    return None


def _mp3_size(data: bytes, at: int) -> int:
    header = frame_header(data, at)
    return header.size if header is not None else 0


def _adts_size(data: bytes, at: int) -> int:
    head = data[at : at + 6]
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


def _ac3_size(data: bytes, at: int) -> int:
    """By ATSC A/52, tables 5.18 and E1.4."""
    head = data[at : at + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > MOST_AC3:
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    rate, code = head[4] >> 6, head[4] & 63
    if rate > 2 or code // 2 >= len(AC3_BIT_RATES):
        return 0
    kbits = AC3_BIT_RATES[code // 2]
    return 2 * (2 * kbits, kbits * 320 // 147 + code % 2, 3 * kbits)[rate]


def _transport_size(data: bytes, at: int) -> int:
    alike = data[at : at + 3 * TRANSPORT_PACKET + 1 : TRANSPORT_PACKET] == b"GGGG"
    return TRANSPORT_PACKET if alike else 0


FRAME_SIZES = {"mp3": _mp3_size, "aac": _adts_size, "ac3": _ac3_size, "mpegts": _transport_size}
