"""Title and artist of a song, as its tags or else its name say."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from streamsep.text_encoding import texts_of_tags

SEPARATOR = " - "  # between artist and title in most names of files


class SongTags(NamedTuple):
    """What a song is called; ``seconds`` is its length, None where that isn't known."""

    title: str
    artist: str
    seconds: float | None = None


def tags_of_name(name: str) -> SongTags:
    """Return what the name of a file says: ``Artist - Title.mp3``, or a title alone."""
    stem = os.path.splitext(os.path.basename(name))[0]
    artist, separator, title = stem.partition(SEPARATOR)
    if separator and artist.strip() and title.strip():
        return SongTags(title.strip(), artist.strip())
    return SongTags(stem, "")


def read_song_tags(path: Path) -> SongTags:
    """Return what a file's tags say, and its name where they say nothing.

    Tags are read by mutagen, which the extras ``media`` and ``party`` bring along. A file that
    it can't read is known by its name.
    """
    named = tags_of_name(str(path))
    if find_spec("mutagen") is None:
        return named
    import mutagen

    try:
        file: Any = mutagen.File(path, easy=True)
    # Besides its own errors mutagen lets through what a damaged file makes of it (struct.error,
    # IndexError, MemoryError), and one file must not end the scan of a library.
    except Exception:  # of mutagen, see above
        return named
    if file is None:
        return named
    length = getattr(file.info, "length", None)
    title, artist = texts_of_tags([_first(file.tags, key) for key in ("title", "artist")])[0]
    if not title:
        title, artist = named.title, artist or named.artist
    return SongTags(title, artist, float(length) if length else None)


def _first(tags: Any, key: str) -> str:
    try:
        found = tags.get(key) if tags else None
        return str(found[0] if isinstance(found, list) else found or "").strip()
    # Tags are decoded as they are asked for: what is said above, and formats without such a key.
    except Exception:  # of mutagen, see above
        return ""
