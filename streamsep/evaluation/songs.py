"""Songs to score on: a folder each, with vocals.* and accompaniment.*."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamsep.audio.files.sound_file import FORMATS, AudioReader
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import AudioFileError
from streamsep.types import Float32


@dataclass(frozen=True, slots=True)
class ReferenceSong:
    """A song's true stems, (C, N) float32 each; the mixture is their sum."""

    name: str
    vocals: Float32
    beat: Float32

    @property
    def mixture(self) -> Float32:
        """What a listener hears."""
        return self.vocals + self.beat


def find_reference_songs(folder: Path) -> list[Path]:
    """Return the folders that hold a song's two stems.

    Raises
    ------
    AudioFileError
        If there are none.
    """
    children = sorted(p for p in folder.glob("*") if p.is_dir())
    songs = [p for p in children if _stem(p, "vocals") and _stem(p, "accompaniment")]
    if not songs:
        raise AudioFileError(
            f"no songs in {folder}",
            expected="a folder a song, each with vocals.* and accompaniment.*",
            remedy="check the path",
        )
    return songs


def read_reference_song(folder: Path, *, sample_rate: int, channels: int) -> ReferenceSong:
    """Read a song at the model's rate and channels; the shorter stem sets the length.

    Raises
    ------
    AudioFileError
        If a stem can't be read.
    """
    stems = []
    for name in ("vocals", "accompaniment"):
        path = _stem(folder, name)
        assert path is not None  # find_reference_songs made sure
        with AudioReader(path) as reader:
            sound = np.concatenate(list(reader.finite_chunks()), axis=-1)
            resampler = StreamResampler(reader.sample_rate, sample_rate, channels)
        stems.append(resampler.process(match_channels(sound, channels), last=True))
    count = min(stem.shape[-1] for stem in stems)
    return ReferenceSong(folder.name, stems[0][:, :count], stems[1][:, :count])


def _stem(song: Path, name: str) -> Path | None:
    return next((p for s in FORMATS if (p := song / f"{name}{s}").is_file()), None)
