"""Files through PyAV, the extra ``media``: opening them, and what they hold beside sound."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamsep.audio.files.channel_boxes import without_channel_boxes
from streamsep.errors import StreamsepError
from streamsep.text_encoding import texts_of_tags

# Kinds of covers that all formats with covers hold.
COVERS = {"mjpeg": "image/jpeg", "png": "image/png"}
# Facts about the old file that would be wrong of the new one.
NOT_KEPT = (
    "encod",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "duration",
    "handler_",
    "vendor_id",
    "language",
    "itunsmpb",
    "itunnorm",
    "replaygain",
    "r128_",
)


def installed() -> bool:
    """Say whether PyAV is there, without loading it."""
    return find_spec("av") is not None


def load_av(path: Path, error: type[StreamsepError]) -> Any:
    """Return PyAV, loaded when the first file needs it: that takes a third of a second.

    Raises
    ------
    StreamsepError
        Of the type ``error``, if the extra that brings it isn't installed.
    """
    try:
        import av
    except ImportError as missing:
        raise error(
            f"{path} needs FFmpeg's formats, and PyAV can't be loaded ({missing})",
            expected="the extra 'media' to be installed",
            remedy="pip install 'streamsep[media]', or convert it first, e.g. with ffmpeg",
        ) from missing
    return av


def open_container(path: Path, error: type[StreamsepError], file: Any = None) -> Any:
    """Open a file by PyAV, with tags in any encoding; raises its errors, and `load_av`'s.

    Parameters
    ----------
    path
        Its name.
    error
        For `load_av`.
    file
        What to read instead of the file of that name.
    """
    av = load_av(path, error)
    if file is None:
        file = without_channel_boxes(path) or f"file:{path}"
    return av.open(file, metadata_errors="surrogateescape")


def told(error: Exception) -> str:
    """Return what an error of FFmpeg's says, without its number and the function it came from."""
    return getattr(error, "strerror", None) or str(error)


def kept_tags(
    container: Any, stream: Any | None, say: Callable[[str], object] = lambda line: None
) -> dict[str, str]:
    """Return the tags of a file and of its sound (where Ogg keeps them) that go on being true.

    Parameters
    ----------
    container, stream
        PyAV's.
    say
        Told in which encoding they are read, where they don't say it.
    """
    tags = {**(stream.metadata if stream is not None else {}), **container.metadata}
    kept = {key: text for key, text in tags.items() if not key.lower().startswith(NOT_KEPT)}
    read, encoding = texts_of_tags([*kept, *kept.values()])
    if encoding is not None:
        say(f"its tags are read as {encoding}, by their letters")
    return dict(zip(read[: len(kept)], read[len(kept) :], strict=True))


def is_cover(stream: Any) -> bool:
    """Say whether a stream is a picture of the whole, not one that moves."""
    return stream.type == "video" and bool(stream.disposition & stream.disposition.attached_pic)


def codec_of(stream: Any) -> str:
    """Return FFmpeg's name of a stream's codec; nothing of one that it doesn't know."""
    return stream.codec_context.name if stream.codec_context is not None else ""


def covers_of(container: Any) -> list[tuple[Any, bytes]]:
    """Return the covers (JPEG or PNG) of an opened file that nothing was read of: stream, image."""
    streams = [s for s in container.streams if is_cover(s) and codec_of(s) in COVERS]
    images: dict[int, bytes] = {}
    for packet in container.demux(*streams) if streams else ():
        images.setdefault(packet.stream.index, bytes(packet))
        if len(images) == len(streams):
            break
    return [(stream, images[stream.index]) for stream in streams if images.get(stream.index)]
