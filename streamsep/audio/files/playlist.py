"""Playlists, which others wrote: M3U, M3U8 and PLS, of files that are there."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamsep.errors import AudioFileError
from streamsep.text_encoding import decode_text

SUFFIXES = (".m3u", ".m3u8", ".pls")
MOST_BYTES, MOST_ENTRIES, MOST_NAMED = 4 * 2**20, 10_000, 10
MOST_TRIED = 200  # entries by which an encoding is told
PLS_ENTRY = re.compile(r"\s*File(\d{1,6})\s*=\s*(.*?)\s*", re.IGNORECASE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # of one letter it is a drive
# What programs write that don't write UTF-8. Which of them it was is told by the names in it: by
# what they are called on the disk.
LEGACY = (
    *("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("gb18030", "cp932", "big5hkscs", "cp949", "cp850", "cp866", "mac_roman"),
)


def is_playlist(name: str | Path) -> bool:
    """Say whether a name is that of a playlist."""
    return Path(name).suffix.lower() in SUFFIXES


def read_playlist(path: Path, say: Callable[[str], object]) -> list[Path]:
    """Return the files that a playlist names, in order, as far as they are there.

    Nothing but ordinary files is taken: no address is fetched, no device or pipe is opened, and no
    other playlist is followed. Paths are those from the playlist's folder.

    Parameters
    ----------
    path
        The playlist; its suffix says which form it has.
    say
        Told what of it is left out, and why.

    Raises
    ------
    AudioFileError
        If it can't be read, or names no file that is there.
    """
    entries, how = _entries_that_are_there(path, _content(path))
    if how:
        say(f"the playlist {path} is read {how}, by the names that are there")
    if len(entries) > MOST_ENTRIES:
        say(f"{path}: only the first {MOST_ENTRIES} of {len(entries)} entries are played")
    found, left_out = [], 0
    for entry in entries[:MOST_ENTRIES]:
        file, why = _file_of(entry, path.parent)
        if file is not None:
            found.append(file)
            continue
        left_out += 1
        if left_out <= MOST_NAMED:
            say(f"{path}: {entry[:200]!r} is left out: {why}")
    if left_out > MOST_NAMED:
        say(f"{path}: {left_out - MOST_NAMED} more entries are left out")
    if not found:
        raise AudioFileError(
            f"{path} names no sound file that is there",
            expected="a playlist of files, M3U or PLS",
            remedy="check its entries, whose paths are those from its folder",
        )
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise AudioFileError(
            f"{path} can't be read ({getattr(error, 'strerror', None) or error})",
            expected="a playlist",
            remedy="check the path",
        ) from error
    if len(content) > MOST_BYTES:
        raise AudioFileError(
            f"{path} is larger than {MOST_BYTES // 2**20} MB",
            expected="a playlist, which is small",
            remedy="check what it is",
        )
    return content


def _entries_that_are_there(path: Path, content: bytes) -> tuple[list[str], str]:
    """Return what a playlist names, and how it was read if that was told by the names."""
    decoded = decode_text(content)
    if decoded is not None and decoded.known in ("usual", "said"):
        return _entries(path, decoded.text), ""
    # The names on the disk may be in the playlist's encoding, whichever that is.
    texts = {"byte for byte": os.fsdecode(content)}
    if decoded is not None:
        texts[f"as {decoded.encoding}"] = decoded.text
    texts |= {f"as {name}": content.decode(name, "replace") for name in LEGACY}
    most, best, how = -1, list[str](), ""
    for way, text in texts.items():
        entries = _entries(path, text)
        tried = entries[:MOST_TRIED]
        there = sum(_file_of(entry, path.parent)[0] is not None for entry in tried)
        if there > most:
            most, best, how = there, entries, way if there and not content.isascii() else ""
        if there == len(tried):
            break
    return best, how


def _entries(path: Path, text: str) -> list[str]:
    lines = text.splitlines()
    if path.suffix.lower() == ".pls":
        matches = [match for line in lines if (match := PLS_ENTRY.fullmatch(line))]
        numbered = sorted(matches, key=lambda match: int(match[1]))
        return [match[2] for match in numbered if match[2]]
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def _file_of(entry: str, folder: Path) -> tuple[Path | None, str]:
    """Return the file that an entry names, or why there is none."""
    spellings = [entry, unquote(entry)]
    if SCHEME.match(entry):
        try:
            address = urlsplit(entry)
        except ValueError as error:
            return None, f"it is no address ({error})"
        if address.scheme.lower() != "file":
            return None, "it is an address, and nothing is fetched"
        spellings = [unquote(address.path)]
    if os.sep == "/":
        spellings += [spelling.replace("\\", "/") for spelling in spellings]
    # As other systems write what is one letter to a reader.
    spellings += [unicodedata.normalize(form, s) for s in spellings for form in ("NFC", "NFD")]
    for spelling in dict.fromkeys(spellings):
        file = folder / spelling
        if not _is_file(file):
            continue
        if is_playlist(file):
            return None, "it is a playlist itself"
        return file, ""
    return None, "no such file"


def _is_file(path: Path) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a name with a zero in it
        return False
