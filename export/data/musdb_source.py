"""MUSDB18 and MUSDB18-HQ, read by the ``musdb`` package with the official split.

References
----------
.. [1] Rafii et al., "The MUSDB18 corpus for music separation", 2017, and "MUSDB18-HQ", 2019.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from export.data.audio import to_stereo_44k
from export.data.sources import SourceTrack, Stems
from export.errors import DataError


def find_musdb(root: Path, *, hq: bool) -> list[SourceTrack]:
    """Return the tracks of a MUSDB folder as songs with their official split.

    Parameters
    ----------
    root
        The folder that holds ``train`` and ``test``.
    hq
        MUSDB18-HQ, a folder of WAV files a song, instead of one ``.stem.mp4``.

    Raises
    ------
    DataError
        When the folder holds no track of that flavour, or ``musdb`` lacks ffmpeg, which it
        asks for either way.
    """
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder", expected="the MUSDB folder", remedy="check the path"
        )
    database = _import_musdb().DB(root=str(root), is_wav=hq)
    if not database.tracks:
        flavour, hint = ("MUSDB18-HQ", "leave out") if hq else ("MUSDB18", "add")
        raise DataError(
            f"no {flavour} tracks in {root}",
            expected="songs in its folders train and test",
            remedy=f"check the path, or {hint} --hq",
        )
    held_out = set(database.setup["validation_tracks"])
    return [_as_source(track, held_out) for track in database.tracks]


def _import_musdb() -> ModuleType:
    try:
        musdb = import_module("musdb")
    except RuntimeError as error:  # how its decoder says that a program is missing
        raise DataError(
            "the musdb package finds no ffmpeg",
            expected="ffmpeg and ffprobe on the PATH",
            remedy="install ffmpeg (Debian: apt install ffmpeg; macOS: brew install ffmpeg)",
        ) from error
    return musdb


def _as_source(track: Any, held_out: set[str]) -> SourceTrack:
    split = "test" if track.subset == "test" else "valid" if track.name in held_out else "train"
    name = re.sub(r"[^\w.+]+", "_", track.name).strip("_")
    members = tuple(dict.fromkeys(Path(source.path) for source in track.sources.values()))
    return SourceTrack(f"musdb-{name}", "song", lambda: _load(track), members, split)


def _load(track: Any) -> Stems:
    """Decode a track's sources; the mixture is made of them, so that they sum to it."""
    return {
        name: to_stereo_44k(
            np.asarray(source.audio, np.float32), round(track.rate), f"{track.name}, {name}"
        )
        for name, source in track.sources.items()
    }
