"""Jobs of separation: from folders, globs and a template to files and their targets."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from streamsep.audio.files.container import VIDEO_SUFFIXES
from streamsep.audio.files.sound_file import FORMATS
from streamsep.errors import ArgumentError, AudioFileError, OutputError
from streamsep.stem_names import BEAT, canonical_stem

SOUND_FORMATS = (*FORMATS, ".m4a")
# Videos in containers that are read only become Matroska, which holds any picture.
OTHER_VIDEOS = (".avi", ".flv", ".mpg", ".mpeg", ".ts", ".wmv")
# What is taken out of a folder; a file given by its name may be called anything.
SUFFIXES = (
    *SOUND_FORMATS,
    ".aac",
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".m4b",
    ".mka",
    ".oga",
    ".opus",
    ".wma",
    *VIDEO_SUFFIXES,
    *OTHER_VIDEOS,
)
KNOWN = (*SOUND_FORMATS, *VIDEO_SUFFIXES)
FIELDS = ("folder", "name", "ext", "stem")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to separate.

    Parameters
    ----------
    path
        The file.
    folder
        Where it lies in the folder that was asked for; ``.`` for a file given by its name.
    """

    path: Path
    folder: Path = Path()

    @property
    def is_video(self) -> bool:
        """Whether its name says so."""
        return self.path.suffix.lower() in (*VIDEO_SUFFIXES, *OTHER_VIDEOS)


@dataclass(frozen=True, slots=True)
class Job:
    """A song and the files it becomes, one a stem."""

    song: InputFile
    targets: dict[str, Path]

    @property
    def done(self) -> bool:
        """Whether all targets are there, none older than the song."""
        try:
            made = min(target.stat().st_mtime for target in self.targets.values())
            return made >= self.song.path.stat().st_mtime
        except OSError:
            return False


def find_input_files(names: tuple[str, ...]) -> list[InputFile]:
    """Return the files that names, folders and globs mean, each once.

    A name that means nothing is kept: whoever opens it says so.

    Raises
    ------
    AudioFileError
        If a folder holds no sound.
    """
    songs: dict[str, InputFile] = {}
    for name in names:
        for path in _expanded(name):
            for song in _inside(path) if path.is_dir() else [InputFile(path)]:
                songs.setdefault(os.path.abspath(song.path), song)
    return list(songs.values())


def _expanded(name: str) -> list[Path]:
    if os.path.lexists(name) or not glob.has_magic(name):
        return [Path(name)]
    return [Path(match) for match in sorted(glob.glob(name, recursive=True))] or [Path(name)]


def _inside(folder: Path) -> list[InputFile]:
    found = [
        InputFile(path, path.relative_to(folder).parent)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        raise AudioFileError(
            f"the folder {folder} holds no sound files",
            expected=f"files that end in {', '.join(SUFFIXES)}",
            remedy="check the path; a file of another name can be given by itself",
        )
    return found


class Template:
    """Names of the targets, out of an output and a format.

    Parameters
    ----------
    output
        None for beside each song, a folder, or a path with fields in braces.
    suffix
        Of the targets, e.g. ``.wav``; None for what the template says, or else WAV for sound,
        and for a video what it is.

    Raises
    ------
    ArgumentError
        If a field is unknown, or the template ends in one format and ``suffix`` is another.
    OutputError
        If the template ends in a format that can't be written.
    """

    def __init__(self, output: str | None, suffix: str | None) -> None:
        own = Path(output).suffix.lower() if output is not None else ""
        self._suffix = suffix
        if output is None:
            self._pattern = None
        elif "{" not in output and (own not in KNOWN or os.path.isdir(output)):
            self._pattern = str(Path(output.replace("}", "}}")) / "{folder}" / "{name}.{stem}")
        else:
            self._pattern = output
            _check_fields(output)
            if re.fullmatch(r"\.\w{1,5}", own):
                self._pattern = output[: -len(own)]
                self._suffix = _agreed(own, suffix)

    def suffix_for(self, song: InputFile) -> str:
        """Return what the targets of a song end in."""
        own = song.path.suffix.lower()
        if self._suffix is not None or not song.is_video:
            return self._suffix or ".wav"
        return own if own in VIDEO_SUFFIXES else ".mkv"

    def target(self, song: InputFile, stem: str) -> Path:
        """Return where a stem of a song goes."""
        suffix = self.suffix_for(song)
        if self._pattern is None:
            return song.path.with_name(f"{song.path.stem}.{stem}{suffix}")
        values = dict(
            folder=str(song.folder),
            name=song.path.stem,
            stem=stem,
            ext=song.path.suffix.lstrip("."),
        )
        return Path(self._pattern.format(**values) + suffix)


def _check_fields(template: str) -> None:
    try:
        for _, field, _, _ in Formatter().parse(template):
            if field is not None and field not in FIELDS:
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise ArgumentError(
                    f"the output template {template!r} has a field {{{field}}}",
                    expected=f"fields among {known}",
                    remedy="choose one of these",
                )
        template.format(**dict.fromkeys(FIELDS, "x"))
    except ValueError as error:
        raise ArgumentError(
            f"{template!r} is no output template: {error}",
            expected="a folder, or a path with fields such as {name} and {stem}",
            remedy="write {{ or }} for a brace that stands for itself",
        ) from error


def _agreed(own: str, asked: str | None) -> str:
    if own not in KNOWN:
        raise OutputError(
            f"no sound format has the suffix {own!r} that the output ends in",
            expected=", ".join(KNOWN),
            remedy="choose one of these",
        )
    if asked is not None and asked != own:
        raise ArgumentError(
            f"the output ends in {own}, and the format asked for is {asked}",
            expected="one format",
            remedy="leave one of the two out",
        )
    return own


def plan(
    songs: list[InputFile],
    template: Template,
    stems: tuple[str, ...] | None,
    all_stems: tuple[str, ...],
) -> list[Job]:
    """Return what to do for each song, leaving out songs that are stems of others.

    Parameters
    ----------
    songs, template
        What there is, and where it goes.
    stems
        Those asked for, by any of their names; None for all, and for a video the beat alone.
    all_stems
        What the model gives.

    Raises
    ------
    OutputError
        If two targets are one file, or a target is a song: before any work.
    """
    if stems is not None:
        stems = tuple(dict.fromkeys(canonical_stem(stem, all_stems) for stem in stems))
    names = {*all_stems, canonical_stem(BEAT, all_stems)}
    owners = {_bare(template.target(song, stem)): song for song in songs for stem in names}
    songs = [song for song in songs if owners.get(_bare(song.path), song) is song]
    jobs = []
    for song in songs:
        stays_video = template.suffix_for(song) in VIDEO_SUFFIXES
        wanted = stems or ((canonical_stem(BEAT, all_stems),) if stays_video else all_stems)
        jobs.append(Job(song, {stem: template.target(song, stem) for stem in wanted}))
    _refuse_same_targets(jobs)
    return jobs


def _bare(path: Path) -> str:
    return os.path.abspath(path.with_suffix(""))


def _refuse_same_targets(jobs: list[Job]) -> None:
    taken = {os.path.abspath(job.song.path): "a file to separate" for job in jobs}
    for job in jobs:
        for stem, target in job.targets.items():
            key, owner = os.path.abspath(target), f"the {stem} of {job.song.path}"
            if key in taken:
                raise OutputError(
                    f"{target} would be both {taken[key]} and {owner}",
                    expected="a name of its own for each stem of each file",
                    remedy="tell them apart, e.g. by the output 'DIR/{folder}/{name}.{ext}.{stem}'",
                )
            taken[key] = owner
