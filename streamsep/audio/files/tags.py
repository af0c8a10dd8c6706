"""Tags and covers of WAV and OGG, which libsndfile writes with few texts and without pictures.

By mutagen, which the extra ``media`` brings along.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from streamsep.audio.files.media import (
    COVERS,
    codec_of,
    covers_of,
    kept_tags,
    load_av,
    open_container,
)
from streamsep.audio.files.stream_copies import chapter_tags
from streamsep.errors import OutputError

Covers = list[tuple[int, str, bytes]]  # kind, MIME type and image

SUFFIXES = (".wav", ".ogg")
# Kinds of pictures, by FFmpeg's name and the number that ID3 and FLAC share.
FRONT, KINDS = 3, {"Cover (back)": 4}
# FFmpeg's names of tags that are others in Vorbis comments and in ID3.
VORBIS_KEY = re.compile(r"[ -<>-}]+")
VORBIS = {"album_artist": "albumartist", "track": "tracknumber", "disc": "discnumber"}
ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "album_artist": "TPE2",
    "composer": "TCOM",
    "date": "TDRC",
    "genre": "TCON",
    "track": "TRCK",
    "disc": "TPOS",
    "copyright": "TCOP",
    "publisher": "TPUB",
    "performer": "TPE3",
}


class Kept(NamedTuple):
    """What goes from a song to its stems."""

    tags: dict[str, str]
    covers: Covers
    chapters: list[Any]


def read_tags(source: Path, say: Callable[[str], object]) -> Kept | None:
    """Return tags and covers (JPEG, PNG) of what FFmpeg reads, or None if there are none.

    Nor are there any without the extra ``media``. ``say`` is told in which encoding they are read,
    if they don't say it.
    """
    if find_spec("av") is None or find_spec("mutagen") is None:
        return None
    import mutagen  # noqa: F401  # now, not when the music is done

    try:
        container = open_container(source, OutputError)
    except (load_av(source, OutputError).FFmpegError, OSError):
        return None  # what only libsndfile reads has no covers
    with container:
        found = kept_tags(container, container.streams.best("audio"), say)
        covers = [
            (KINDS.get(stream.metadata.get("comment"), FRONT), COVERS[codec_of(stream)], image)
            for stream, image in covers_of(container)
        ]
        chapters = container.chapters()
    texts = {key.lower(): text for key, text in found.items() if text}
    return Kept(texts, covers, chapters) if texts or covers or chapters else None


def write_tags(target: Path, kept: Kept) -> None:
    """Give a finished WAV or OGG file tags and covers; a WAV file of more than 4 GB gets none.

    Parameters
    ----------
    target
        Changed in place; its suffix is one of SUFFIXES.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    from mutagen import MutagenError

    try:
        if target.suffix.lower() == ".ogg":
            _write_comments(target, *kept)
        elif _is_riff(target):
            _write_id3(target, *kept)
    except (MutagenError, OSError) as error:
        raise OutputError(
            f"{target} can't be given tags ({error})",
            expected="a writable folder with room",
            remedy="choose another place",
        ) from error


def _is_riff(target: Path) -> bool:
    with target.open("rb") as file:
        return file.read(4) == b"RIFF"  # and not RF64, which mutagen doesn't know


def _write_comments(
    target: Path, tags: dict[str, str], covers: Covers, chapters: list[Any]
) -> None:
    from mutagen.flac import Picture
    from mutagen.oggvorbis import OggVorbis

    file: Any = OggVorbis(target)
    for key, text in tags.items():
        if VORBIS_KEY.fullmatch(key):
            file[VORBIS.get(key, key)] = text
    for key, text in chapter_tags(chapters).items():
        file[key] = text
    pictures = []
    for cover in covers:
        picture: Any = Picture()
        picture.type, picture.mime, picture.data = cover
        pictures.append(b64encode(picture.write()).decode())
    if pictures:
        file["metadata_block_picture"] = pictures
    file.save()


def _write_id3(target: Path, tags: dict[str, str], covers: Covers, chapters: list[Any]) -> None:
    from mutagen import id3
    from mutagen.wave import WAVE

    file: Any = WAVE(target)
    file.add_tags()
    for key, text in tags.items():
        if key == "comment":
            frame = id3.COMM(lang="und", text=text)
        elif key in ID3:
            frame = id3.Frames[ID3[key]](text=text)
        else:
            frame = id3.TXXX(desc=key, text=text)
        file.tags.add(frame)
    for number, (kind, mime, image) in enumerate(covers, 1):
        # No two may have one description.
        name = f"cover {number}" if number > 1 else "cover"
        file.tags.add(id3.APIC(type=kind, mime=mime, desc=name, data=image))
    _add_chapters(file.tags, chapters)
    file.save()


def _add_chapters(tags: Any, chapters: list[Any]) -> None:
    """Give ID3 tags chapters, and the table that players read them by."""
    from mutagen import id3

    names = [f"ch{number}" for number in range(len(chapters))]
    for name, chapter in zip(names, chapters, strict=True):
        start, end = (round(1_000 * chapter[k] * chapter["time_base"]) for k in ("start", "end"))
        title = [id3.TIT2(text=text)] if (text := chapter["metadata"].get("title")) else []
        times = dict(start_time=start, end_time=end, start_offset=2**32 - 1, end_offset=2**32 - 1)
        tags.add(id3.CHAP(element_id=name, sub_frames=title, **times))
    if chapters:
        whole = id3.CTOCFlags.TOP_LEVEL | id3.CTOCFlags.ORDERED
        tags.add(id3.CTOC(element_id="toc", flags=whole, child_element_ids=names, sub_frames=[]))
