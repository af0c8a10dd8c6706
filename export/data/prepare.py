"""Extract tracks to 16-bit files that training can seek in: whole tracks or none."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from export.data.audio import Audio, write_int16
from export.data.manifest import Track
from export.data.sources import SourceTrack, Stems
from export.errors import DataError

RECORD_NAME = "track.json"
CEILING = 32_766 / 32_768  # one step below full scale: rounding can't reach the clip

Licences = Mapping[Path, tuple[str, str]]


def prepare_tracks(
    sources: Sequence[SourceTrack],
    folder: Path,
    *,
    suffix: str = ".wav",
    licences: Licences | None = None,
    done: Callable[[SourceTrack, bool], None] = lambda source, skipped: None,
) -> list[Track]:
    """Extract every track that isn't there yet.

    Each track is written to a folder ending in ``.partial`` and renamed when complete, so a
    track under its final name is whole whatever interrupted the run before.

    Parameters
    ----------
    folder
        Where ``<track id>/<what>.wav`` go; made when missing.
    suffix
        ``".wav"`` or ``".flac"``.
    licences
        (source, licence) by resolved path of a member file.
    done
        Called after each track with the source and whether it was there already.

    Returns
    -------
    list of Track
        In the order of ``sources``, old and new alike.

    Raises
    ------
    DataError
        For two tracks of one name, or audio that can't be used.
    """
    names = [s.id for s in sources]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(
            f"two tracks are called {twice[0]}",
            expected="distinct names",
            remedy="rename one of the folders",
        )
    folder.mkdir(parents=True, exist_ok=True)
    tracks = []
    for source in sources:
        record = folder / source.id / RECORD_NAME
        skipped = record.is_file()
        if not skipped:
            _extract(source, folder, suffix, licences or {})
        tracks.append(Track(**json.loads(record.read_text(encoding="utf-8"))))
        done(source, skipped)
    return tracks


def _extract(source: SourceTrack, folder: Path, suffix: str, licences: Licences) -> None:
    partial = folder / f"{source.id}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    audio = combine(source.load())
    gain = headroom_gain(audio)
    for name, samples in audio.items():
        write_int16(partial / f"{name}{suffix}", samples * np.float32(gain))
    known = {licences[p.resolve()] for p in source.members if p.resolve() in licences}
    track = Track(
        id=source.id,
        kind=source.kind,
        split=source.split,
        samples=next(iter(audio.values())).shape[1],
        gain_db=round(20 * math.log10(gain), 3),
        files={name: f"{source.id}/{name}{suffix}" for name in audio},
        source=" | ".join(sorted({s for s, _ in known})),
        licence=" | ".join(sorted({x for _, x in known})),
        members=[p.name for p in source.members],
    )
    text = json.dumps(asdict(track), indent=1, ensure_ascii=False)
    (partial / RECORD_NAME).write_text(text + "\n", encoding="utf-8")
    partial.rename(folder / source.id)


def combine(stems: Stems) -> Stems:
    """Make the files of a track from its stems.

    Parameters
    ----------
    stems
        float32, shape (2, frames), by name; shorter ones are filled up with silence.

    Returns
    -------
    dict
        The stems; ``accompaniment``, everything but the vocals, the true beat, where there is
        any; and the ``mixture`` where there are both.
    """
    frames = max(s.shape[1] for s in stems.values())
    filled = {n: np.pad(s, ((0, 0), (0, frames - s.shape[1]))) for n, s in stems.items()}
    parts = [s for name, s in filled.items() if name != "vocals"]
    if parts:
        filled["accompaniment"] = np.sum(parts, axis=0, dtype=np.float32)
    if parts and "vocals" in filled:
        filled["mixture"] = filled["accompaniment"] + filled["vocals"]
    return filled


def headroom_gain(audio: Mapping[str, Audio]) -> float:
    """Return the linear gain, at most 1, that keeps every file of a track from clipping."""
    peak = max(float(np.abs(samples).max()) for samples in audio.values())
    return min(1.0, CEILING / peak) if peak > 0 else 1.0
