"""What a prepared folder holds: one record a track, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from export.constants import SAMPLE_RATE
from export.errors import DataError

MANIFEST_NAME = "manifest.json"
SCHEMA = 1

KINDS = ("song", "accompaniment", "rendered", "voice", "sung", "speech")
BANDS = frozenset({"song", "accompaniment", "rendered"})  # without a vocals file: vocal-free


@dataclass(frozen=True, slots=True)
class Track:
    """One song, vocal-free piece or solo voice in the prepared folder.

    Attributes
    ----------
    kind
        ``"song"`` has mixture, vocals, accompaniment and the stems that this is made of;
        ``"accompaniment"`` the latter two; ``"rendered"`` (MIDI played by a soundfont) either,
        its voice being speech made to sing; ``"voice"`` (singing), ``"sung"`` (speech made to
        sing) and ``"speech"`` only vocals.
    split
        ``"train"``, ``"valid"`` or ``"test"``.
    samples
        Length at 44.1 kHz.
    gain_db
        What all files of the track were scaled by, so that none clips.
    files
        File name in the prepared folder by what it holds: ``mixture``, ``accompaniment`` or a
        stem.
    """

    id: str
    kind: str
    split: str
    samples: int
    gain_db: float
    files: dict[str, str]
    source: str = ""
    licence: str = ""
    members: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE


def write_manifest(folder: Path, tracks: Sequence[Track]) -> None:
    """Write the manifest whole or not at all."""
    records = [asdict(t) for t in sorted(tracks, key=lambda t: t.id)]
    text = json.dumps({"schema": SCHEMA, "tracks": records}, indent=1, ensure_ascii=False)
    partial = folder / (MANIFEST_NAME + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST_NAME)


def read_manifest(folder: Path) -> list[Track]:
    """Read what ``prepare`` wrote.

    Raises
    ------
    DataError
        When the folder or its manifest is missing, damaged, or lists no track.
    """
    path = folder / MANIFEST_NAME
    remedy = "make it with 'python -m export prepare'"
    if not path.is_file():
        raise DataError(
            f"no {MANIFEST_NAME} in {folder}", expected="a prepared folder", remedy=remedy
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tracks = [Track(**record) for record in content["tracks"]]
        schema = content["schema"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged ({error})", expected="a manifest", remedy=remedy
        ) from error
    if schema != SCHEMA:
        raise DataError(f"{path} has schema {schema}", expected=str(SCHEMA), remedy=remedy)
    if not tracks:
        raise DataError(f"{path} lists no tracks", expected="at least one", remedy=remedy)
    return tracks
