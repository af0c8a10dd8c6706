"""Where tracks come from: folders of stems, vocal-free files or excerpts of them, solo voices."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import numpy as np

from export.constants import SAMPLE_RATE
from export.data.audio import Audio, is_audio, measure_seconds, read_stereo_44k
from export.errors import DataError

VOCAL_NAMES = frozenset({"vocals", "vocal", "voice", "vox"})
MIXTURE_NAMES = frozenset({"mixture", "mix"})
VOICE_PAUSE_SECONDS = 0.25
SUNG_PAUSE_S = (0.0, 0.3)
# Of a piece of which excerpts will do: music says little new within a minute.
EXCERPT_S, EXCERPT_EVERY_S, MOST_EXCERPTS = 25.0, 75.0, 6

Stems = dict[str, Audio]


@dataclass(frozen=True, slots=True)
class SourceTrack:
    """A track that could be extracted.

    Attributes
    ----------
    load
        Returns float32 arrays of shape (2, frames) by stem name; slow, so called late.
    members
        The files it is made of, for licences.
    """

    id: str
    kind: str
    load: Callable[[], Stems]
    members: tuple[Path, ...] = ()
    split: str = ""


def find_songs(root: Path, exclude: Sequence[str] = ()) -> Iterator[SourceTrack]:
    """Yield every folder under ``root`` that holds audio files as a song, one file a stem.

    A song without a vocals file is a vocal-free one. A mixture file beside the stems is left
    alone: the mixture is made from the stems, so that they sum to it.

    Raises
    ------
    DataError
        When the folder is missing, holds no audio, or holds stems that can't be told apart.
    """
    for folder, files in _folders(root, exclude):
        stems = {f.stem.lower(): f for f in files if f.stem.lower() not in MIXTURE_NAMES}
        vocal = sorted(stems.keys() & VOCAL_NAMES)
        parts = sorted(stems.keys() - VOCAL_NAMES)
        if len(vocal) > 1 or not parts or ("accompaniment" in parts and len(parts) > 1):
            raise DataError(
                f"{folder} holds the stems {', '.join(sorted(stems)) or 'none'}",
                expected="at most one vocals file and, besides it, "
                "either 'accompaniment' alone or the instruments",
                remedy="rename the files, or leave the song out with --exclude",
            )
        kind = "song" if vocal else "accompaniment"
        members = tuple(stems[name] for name in (*vocal, *parts))
        names = tuple("vocals" if name in VOCAL_NAMES else name for name in (*vocal, *parts))
        yield SourceTrack(
            track_id(root, folder), kind, partial(_read_stems, names, members), members
        )


def find_accompaniment(root: Path, exclude: Sequence[str] = ()) -> Iterator[SourceTrack]:
    """Yield every audio file under ``root`` as a vocal-free track."""
    for _, files in _folders(root, exclude):
        for file in files:
            yield SourceTrack(
                track_id(root, file.with_suffix("")),
                "accompaniment",
                partial(_read_accompaniment, file),
                (file,),
            )


def find_excerpts(root: Path, exclude: Sequence[str] = ()) -> Iterator[SourceTrack]:
    """Yield 25 s of every 75 s of each audio file under ``root``, each a vocal-free track.

    Of a piece six at most, from the middles of as many equal parts; one of less than 25 s is
    taken whole.

    Raises
    ------
    DataError
        When the folder is missing, holds no audio, or a file that can't be read.
    """
    for _, files in _folders(root, exclude):
        for file in files:
            seconds = measure_seconds(file)
            count = min(max(round(seconds / EXCERPT_EVERY_S), 1), MOST_EXCERPTS)
            for k in range(count):
                start = max(0.0, (k + 0.5) * seconds / count - EXCERPT_S / 2)
                yield SourceTrack(
                    f"{track_id(root, file.with_suffix(''))}-{k}",
                    "accompaniment",
                    partial(_read_accompaniment, file, start, EXCERPT_S),
                    (file,),
                )


def find_voices(root: Path, kind: str, exclude: Sequence[str] = ()) -> Iterator[SourceTrack]:
    """Yield every folder under ``root`` that holds audio files as one solo voice.

    A folder is one singer or speaker: its files are joined, with short pauses, so that the
    split by track is a split by person, and short words fill an excerpt.

    Parameters
    ----------
    kind
        ``"voice"`` for singing, ``"speech"`` for speech.
    """
    for folder, files in _folders(root, exclude):
        members = tuple(files)
        yield SourceTrack(track_id(root, folder), kind, partial(_join, members), members)


def find_sung(
    root: Path, takes: int, seed: int, exclude: Sequence[str] = ()
) -> Iterator[SourceTrack]:
    """Yield every folder under ``root`` that holds audio files as a voice made to sing, per take.

    See `export.data.singing_synthesis`. A folder without a voice that can be followed is an error
    when it is loaded.
    """
    for number, (folder, files) in enumerate(_folders(root, exclude)):
        members = tuple(files)
        for take in range(takes):
            yield SourceTrack(
                f"sung{take}-{track_id(root, folder)}",
                "sung",
                partial(_sing_all, members, (seed, number, take)),
                members,
            )


def find_people(root: Path, exclude: Sequence[str] = ()) -> list[tuple[Path, ...]]:
    """Return the audio files of every folder under ``root`` that holds some."""
    return [tuple(files) for _, files in _folders(root, exclude)]


def read_licences(table: Path) -> dict[Path, tuple[str, str]]:
    """Read a table of sources.

    Parameters
    ----------
    table
        Tab-separated, with the columns ``file`` (relative to the table), ``repo``, ``licence``.

    Returns
    -------
    dict
        (repo, licence) by resolved path.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return {
            (table.parent / row["file"]).resolve(): (row["repo"], row["licence"]) for row in rows
        }
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise DataError(
            f"{table} can't be read ({error!r})",
            expected="a tab-separated table with the columns file, repo and licence",
            remedy="correct it, or leave --sources out",
        ) from error


def _folders(root: Path, exclude: Sequence[str]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder that directly holds audio, and that audio, in name order."""
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder", expected="a folder of audio", remedy="check the path"
        )
    by_folder: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and is_audio(path) and not any(fnmatch(name, p) for p in exclude):
            by_folder.setdefault(path.parent, []).append(path)
    if not by_folder:
        raise DataError(
            f"no audio under {root}",
            expected="WAV, FLAC, OGG, MP3 or AIFF files",
            remedy="check the path and --exclude",
        )
    yield from by_folder.items()


def track_id(root: Path, path: Path) -> str:
    """Name a track after its path, in characters that any file system takes."""
    parts = (root.resolve().name, *path.relative_to(root).parts)
    return "-".join(re.sub(r"[^\w.+]+", "_", part).strip("_") for part in parts)


def _read_stems(names: tuple[str, ...], members: tuple[Path, ...]) -> Stems:
    return {name: read_stereo_44k(path) for name, path in zip(names, members, strict=True)}


def _read_accompaniment(path: Path, start_s: float = 0.0, seconds: float | None = None) -> Stems:
    return {"accompaniment": read_stereo_44k(path, start_s, seconds)}


def _join(members: tuple[Path, ...]) -> Stems:
    """Read every file as one voice, with pauses."""
    pause = np.zeros((2, round(VOICE_PAUSE_SECONDS * SAMPLE_RATE)), np.float32)
    pieces = [piece for path in members for piece in (read_stereo_44k(path), pause)]
    return {"vocals": np.concatenate(pieces[:-1], axis=1)}


def _sing_all(members: tuple[Path, ...], seed: tuple[int, ...]) -> Stems:
    """Sing every file, in an order of its own, with pauses."""
    from export.data.singing_synthesis import synthesize_singing

    rng = np.random.default_rng(seed)
    pieces: list[Audio] = []
    for index in rng.permutation(len(members)):
        sung = synthesize_singing(read_stereo_44k(members[index]).mean(axis=0), rng)
        if sung is not None:
            pieces += [sung, np.zeros(int(rng.uniform(*SUNG_PAUSE_S) * SAMPLE_RATE), np.float32)]
    if not pieces:
        raise DataError(
            f"no voice in {members[0].parent}",
            expected="speech or singing by one person",
            remedy="leave it out with --exclude",
        )
    return {"vocals": np.tile(np.concatenate(pieces), (2, 1))}
