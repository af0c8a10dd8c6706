"""Pictures in Matroska by their old names: what AVI's codecs are called there.

Matroska holds any codec that Windows knows by four letters, as a track "V_MS/VFW/FOURCC" whose
private data are AVI's own header. FFmpeg writes such tracks; PyAV refuses the codecs that have no
name of Matroska's. So the track is written as if it were MPEG-4, whose packets nobody touches and
whose name is as long, and gets its true name when the file is finished.
"""

from __future__ import annotations

import io
import mmap
import struct
from pathlib import Path
from typing import Any

STAND_IN, TRUE_NAME = b"V_MPEG4/ISO/ASP", b"V_MS/VFW/FOURCC"
# Of codecs that other containers name otherwise.
TAGS = {
    "cinepak": b"cvid",
    "flv": b"FLV1",
    "h263": b"H263",
    "huffyuv": b"HFYU",
    "msmpeg4": b"DIV3",
    "svq1": b"SVQ1",
    "svq3": b"SVQ3",
}
HEAD = 2**20  # bytes of a Matroska file within which its tracks are listed


def vfw_tags(stream: Any) -> list[bytes]:
    """Return the four letters that may name a stream's codec; none where it has no such name."""
    context = stream.codec_context
    if context is None or not context.width:
        return []
    tags = [context.codec_tag.encode("latin-1", "replace"), TAGS.get(context.name, b"")]
    return [tag for tag in dict.fromkeys(tags) if len(tag) == 4 and tag.isalnum()]


def vfw_template(av: Any, stream: Any, tag: bytes) -> Any:
    """Return an opened file with one stream, to be the template of a copy.

    The copy's packets are those of ``stream``; `name_vfw_track` has to follow.
    """
    context = stream.codec_context
    private = _picture_header(context.width, context.height, tag, context.extradata or b"")
    return av.open(io.BytesIO(_avi(context.width, context.height, private)))


def name_vfw_track(path: Path) -> None:
    """Give the one such track of a finished Matroska file its true name."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        place = data.find(STAND_IN, 0, HEAD)
        if place >= 0:
            data[place : place + len(TRUE_NAME)] = TRUE_NAME


def _picture_header(width: int, height: int, tag: bytes, more: bytes) -> bytes:
    """Return a BITMAPINFOHEADER with what follows it."""
    size = 40 + len(more)
    fields = (size, width, height, 1, 24, tag, 3 * width * height, 0, 0, 0, 0)
    return struct.pack("<IiiHH4sIiiII", *fields) + more


def _avi(width: int, height: int, private: bytes) -> bytes:
    """Return an AVI file without a frame, whose MPEG-4 track has these private data."""
    main = struct.pack("<14I", 40_000, 0, 0, 16, 0, 0, 1, 0, width, height, 0, 0, 0, 0)
    kinds = struct.pack("<4s4sIHHI", b"vids", b"FMP4", 0, 0, 0, 0)
    times = struct.pack("<7I4H", 1, 25, 0, 0, 0, 2**32 - 1, 0, 0, 0, width, height)
    form = _picture_header(width, height, b"FMP4", private)
    track = _list(b"strl", _chunk(b"strh", kinds + times), _chunk(b"strf", form))
    body = b"AVI " + _list(b"hdrl", _chunk(b"avih", main), track) + _list(b"movi")
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _list(name: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", name + b"".join(chunks))
