"""From names, folders and globs to the files to separate, and to what is left out of them."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streamsep.audio.files.part_files import is_part_file
from streamsep.audio.files.pipe_input import STDIN, is_pipe
from streamsep.errors import AudioFileError
from streamsep.offline.jobs import InputFile

# What is taken out of a folder: what FFmpeg reads sound from. A file given by its name may be
# called anything.
SUFFIXES = (
    *(".3g2", ".3gp", ".3gpp", ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".alac"),
    *(".amr", ".ape", ".asf", ".au", ".avi", ".awb", ".bwf", ".caf", ".divx", ".dsf", ".dts"),
    *(".dv", ".eac3", ".ec3", ".f4a", ".f4v", ".fla", ".flac", ".flv", ".gsm", ".loas"),
    *(".m1a", ".m2a", ".m2t", ".m2ts", ".m2v", ".m4a", ".m4b", ".m4p", ".m4r", ".m4v"),
    *(".mj2", ".mka", ".mks", ".mkv", ".mlp", ".mod", ".mov", ".mp+", ".mp1", ".mp2", ".mp3"),
    *(".mp4", ".mpa", ".mpc", ".mpe", ".mpeg", ".mpg", ".mpp", ".mpv", ".mts", ".mxf"),
    *(".nut", ".oga", ".ogg", ".ogm", ".ogv", ".ogx", ".oma", ".opus", ".qt", ".ra", ".ram"),
    *(".rf64", ".rm", ".rmvb", ".shn", ".snd", ".spx", ".tak", ".thd", ".tod", ".trp", ".ts"),
    *(".tta", ".vob", ".voc", ".vqf", ".w64", ".wav", ".wave", ".weba", ".webm", ".wma"),
    *(".wmv", ".wtv", ".wv", ".xwma"),
)
# What nobody takes for sound, and needn't be told of.
NO_SOUND = (
    *(".7z", ".ass", ".bmp", ".cue", ".db", ".doc", ".docx", ".exe", ".gif", ".gz", ".htm"),
    *(".html", ".ico", ".idx", ".ini", ".jpeg", ".jpg", ".json", ".jsonl", ".ldb", ".lnk"),
    *(".log", ".lrc", ".m3u", ".m3u8", ".md", ".md5", ".mid", ".midi", ".nfo", ".onnx"),
    *(".par2", ".part", ".pdf", ".pls", ".png", ".py", ".rar", ".rtf", ".sfv", ".sh", ".srt"),
    *(".ssa", ".sub", ".svg", ".tar", ".tif", ".tiff", ".toml", ".torrent", ".txt", ".url"),
    *(".vtt", ".webp", ".xls", ".xml", ".xspf", ".yaml", ".yml", ".zip"),
)
HIDDEN, UNKNOWN, UNREADABLE = "hidden", "of an unknown kind", "unreadable"
EMPTY = "without sound"
NAMED = 5  # at most, of each kind


@dataclass(slots=True)
class FoundFiles:
    """The files to separate, and those that were passed over, by the reason."""

    files: list[InputFile] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def leave_out(self, path: Path, reason: str) -> None:
        """Note what is passed over."""
        paths = self.left_out.setdefault(reason, [])
        if path not in paths:
            paths.append(path)

    @property
    def left_out_lines(self) -> list[str]:
        """A line for each reason, with the first names."""
        lines = []
        for reason, paths in self.left_out.items():
            names = ", ".join(str(path) for path in paths[:NAMED])
            more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
            lines.append(f"left out, as {reason}: {names}{more}")
        return lines


def find_input_files(names: Iterable[str]) -> FoundFiles:
    """Return the files that names, folders and globs mean, each once.

    Folders are searched with those that links in them lead to, each once. A name that means
    nothing is kept: whoever opens it says so. ``-`` is standard input.

    Raises
    ------
    AudioFileError
        If a name is empty, or nothing is found, since folders hold no sound.
    """
    found = FoundFiles()
    songs: dict[str, InputFile] = {}
    empty: list[Path] = []
    for name in names:
        if not name:  # a shell's variable, say, that isn't set
            raise AudioFileError(
                "a name is empty",
                expected="a file, a folder or a glob",
                remedy="leave it out, or give '.' for the folder that you are in",
            )
        for path in [STDIN] if name == "-" else _expanded(name, found):
            inside = _inside(path, found) if os.path.isdir(path) else [InputFile(path)]
            if not inside:
                empty.append(path)
            for song in inside:
                songs.setdefault(os.path.abspath(song.path), song)
    if empty and not songs:
        raise AudioFileError(
            f"the folder {empty[0]} holds no sound files"
            + "".join(f"; {line}" for line in found.left_out_lines),
            expected="files whose names end as those of sound or video do",
            remedy="check the path; a file of another name can be given by itself",
        )
    for folder in empty:
        found.leave_out(folder, EMPTY)
    found.files = list(songs.values())
    return found


def is_hidden(name: str) -> bool:
    """Say whether a file or folder is hidden by its name; one dot does that, three don't."""
    return name.startswith(".") and not name.startswith("..")


def _expanded(name: str, found: FoundFiles) -> list[Path]:
    if os.path.lexists(name) or not glob.has_magic(name):
        return [Path(name)]
    path = Path(name)
    parts = path.parts[1:] if path.anchor else path.parts
    matches = sorted(dict.fromkeys(_matches(Path(path.anchor), parts, found)))
    pipes = [match for match in matches if is_pipe(match)]
    for pipe in pipes:  # which would be waited for, though nobody named it
        found.leave_out(pipe, UNREADABLE)
    return [match for match in matches if match not in pipes] or [path]


def _matches(base: Path, parts: tuple[str, ...], found: FoundFiles) -> Iterator[Path]:
    """Yield what matches the parts of a glob; ``**`` goes into each folder once."""
    if not parts:
        yield base
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        for folder in _folders(base, found):
            yield from _matches(folder, rest or ("*",), found)
    elif glob.has_magic(first) and not _is_album(base, first):
        for entry in _entries(base, found):
            shown = not is_hidden(entry.name) or first.startswith(".")
            if shown and fnmatch.fnmatch(entry.name, first) and (not rest or _is_folder(entry)):
                yield from _matches(base / entry.name, rest, found)
    elif os.path.lexists(base / first):
        yield from _matches(base / first, rest, found)


def _is_album(base: Path, part: str) -> bool:
    """Say whether a part of a glob is itself a name: "[1991] Ten" is no set of letters."""
    return "[" in part and os.path.lexists(base / part)


def _folders(top: Path, found: FoundFiles) -> list[Path]:
    """Return a folder and all in it that aren't hidden, each once, links to others last."""
    seen: set[tuple[int, int]] = set()
    folders: list[Path] = []
    waiting, links = [top], list[Path]()
    while waiting or links:
        folder = waiting.pop(0) if waiting else links.pop(0)
        try:
            status = os.stat(folder)
        except OSError:
            found.leave_out(folder, UNREADABLE)
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.append(folder)
        for entry in _entries(folder, found):
            if is_hidden(entry.name) or not _is_folder(entry):
                continue
            (links if entry.is_symlink() else waiting).append(folder / entry.name)
    return folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entries(folder: Path, found: FoundFiles) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        found.leave_out(folder, UNREADABLE)
        return []


def _inside(top: Path, found: FoundFiles) -> list[InputFile]:
    songs = []
    for folder in _folders(top, found):
        for entry in _entries(folder, found):
            path = folder / entry.name
            if is_part_file(path):
                continue
            if _is_folder(entry):
                if is_hidden(entry.name) and _holds_sound(path):
                    found.leave_out(path, HIDDEN)
                continue
            suffix = path.suffix.lower()
            if suffix in SUFFIXES:
                if is_hidden(entry.name):
                    found.leave_out(path, HIDDEN)
                elif not os.path.isfile(path):
                    found.leave_out(path, UNREADABLE)
                else:
                    songs.append(InputFile(path, path.relative_to(top).parent))
            elif suffix not in NO_SOUND and not is_hidden(entry.name):
                found.leave_out(path, UNKNOWN)
    return sorted(songs, key=lambda song: song.path)


def _holds_sound(folder: Path) -> bool:
    """Say whether a hidden folder holds what would be done elsewhere."""
    for _, _, names in os.walk(folder):
        if any(os.path.splitext(name)[1].lower() in SUFFIXES for name in names):
            return True
    return False
