"""Jobs of separation: from folders, globs and a template to files and their targets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from streamsep.audio.files.encoding import M4A, STEM_FILE, sound_suffix
from streamsep.audio.files.file_identity import file_identity
from streamsep.audio.files.pipe_input import STDIN, is_pipe
from streamsep.audio.files.sound_writer import FORMATS
from streamsep.audio.files.stem_file import check_stem_file
from streamsep.audio.files.stream_copies import VIDEO_SUFFIXES, video_suffix
from streamsep.errors import ArgumentError, OutputError
from streamsep.offline.made_from import StemRecords, facts_of
from streamsep.stem_names import BEAT, canonical_stem

SOUND_FORMATS = (*FORMATS, M4A, STEM_FILE)
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
    def video_suffix(self) -> str | None:
        """What a video with its picture ends in; None for what has no moving picture."""
        return video_suffix(self.path)

    @property
    def name(self) -> str:
        """What the file is called, without its suffix."""
        if self._is_nameless:
            return "stdin" if self.path == STDIN else f"fd{self.path.name}"
        return self.path.stem

    @property
    def beside(self) -> Path:
        """The folder beside the file: the present one for what comes through a nameless pipe."""
        return Path() if self._is_nameless else self.path.parent

    @property
    def _is_nameless(self) -> bool:
        return self.path.parts[:2] in (("/", "dev"), ("/", "proc")) and is_pipe(self.path)


@dataclass(frozen=True, slots=True)
class Job:
    """A song and the file that each stem becomes; a stem file is that of all of them."""

    song: InputFile
    targets: dict[str, Path]

    @property
    def files(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(self.targets.values()))

    def peaks_of_files(self, peaks: Mapping[str, float]) -> dict[Path, float]:
        """Return the peak of each file, given those of the stems."""
        loudest: dict[Path, float] = {}
        for stem, target in self.targets.items():
            loudest[target] = max(loudest.get(target, 0.0), peaks[stem])
        return loudest


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
        own = sound_suffix(Path(output)) if output is not None else ""
        self._suffix = suffix
        if output is None:
            self._pattern = None
        elif "{" not in output and (own not in KNOWN or os.path.isdir(output)):
            name = "{name}" if suffix == STEM_FILE else "{name}.{stem}"
            self._pattern = str(Path(output.replace("}", "}}")) / "{folder}" / name)
        else:
            self._pattern = output
            _check_fields(output)
            if own == STEM_FILE or re.fullmatch(r"\.\w{1,5}", own):
                self._pattern = output[: -len(own)]
                self._suffix = _agreed(own, suffix)
            if self._suffix == STEM_FILE and _has_field(output, "stem"):
                raise ArgumentError(
                    f"the output {output!r} names each stem, and a stem file holds all",
                    expected="a folder, or a template without {stem}",
                    remedy="leave {stem} out",
                )

    def suffix_for(self, song: InputFile) -> str:
        """Return what the targets of a song end in."""
        return self._suffix or song.video_suffix or ".wav"

    def target(self, song: InputFile, stem: str) -> Path:
        """Return where a stem of a song goes."""
        suffix = self.suffix_for(song)
        if self._pattern is None:
            own = "" if suffix == STEM_FILE else f".{stem}"
            return song.beside / f"{song.name}{own}{suffix}"
        values = dict(
            folder=str(song.folder),
            name=song.name,
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


def _has_field(template: str, field: str) -> bool:
    return any(name == field for _, name, _, _ in Formatter().parse(template))


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
    ArgumentError
        If a stem file of other stems than the model's is asked for, or of too many.
    """
    if stems is not None:
        stems = tuple(dict.fromkeys(canonical_stem(stem, all_stems) for stem in stems))
    names = {*all_stems, canonical_stem(BEAT, all_stems)}
    owners = {_bare(template.target(song, stem)): song for song in songs for stem in names}
    songs = [song for song in songs if owners.get(_bare(song.path), song) is song]
    songs = _without_known_stems(songs)
    jobs = []
    for song in songs:
        stays_video = template.suffix_for(song) in VIDEO_SUFFIXES
        wanted = stems or ((canonical_stem(BEAT, all_stems),) if stays_video else all_stems)
        if template.suffix_for(song) == STEM_FILE:
            check_stem_file(wanted, all_stems)
        jobs.append(Job(song, {stem: template.target(song, stem) for stem in wanted}))
    _refuse_same_targets(jobs)
    return jobs


def _without_known_stems(songs: list[InputFile]) -> list[InputFile]:
    """Leave out what an earlier run made of songs that are there too, wherever its stems went."""
    records = StemRecords()
    known = {song.path: facts_of(song.path, "", {}) for song in songs}
    sources = [facts for facts in known.values() if facts is not None]

    def is_stem(song: InputFile) -> bool:
        made_from = records.of(song.path)
        return made_from is not None and any(map(made_from.has_same_source, sources))

    return [song for song in songs if not is_stem(song)]


def _bare(path: Path) -> str:
    return os.path.abspath(path.with_suffix(""))


def _refuse_same_targets(jobs: list[Job]) -> None:
    taken: dict[object, str] = {file_identity(job.song.path): "a file to separate" for job in jobs}
    for job in jobs:
        in_one_file = all(sound_suffix(target) == STEM_FILE for target in job.targets.values())
        for stem, target in [*job.targets.items()][: 1 if in_one_file else None]:
            key, owner = file_identity(target), f"the {stem} of {job.song.path}"
            if key in taken:
                raise OutputError(
                    f"{target} would be both {taken[key]} and {owner}",
                    expected="a name of its own for each stem of each file",
                    remedy="tell them apart, e.g. by the output 'DIR/{folder}/{name}.{ext}.{stem}'",
                )
            taken[key] = owner
