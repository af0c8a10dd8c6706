"""Songs to score on: a folder each, with vocals.* and accompaniment.* (or beat.*)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamsep.audio.files.notices import Notice, OnNotice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import FORMATS
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import AudioFileError
from streamsep.stem_names import BEAT, BEAT_SYNONYMS
from streamsep.types import Float32

# The two stems of a song, each by the names that its file may have.
STEMS = (("vocals",), (*BEAT_SYNONYMS, BEAT))
LOST_S = 0.1  # by so much stems of one length differ that were coded with loss


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


def find_reference_songs(
    folder: Path, say: Callable[[str], object] = lambda line: None
) -> list[Path]:
    """Return the folders that hold a song's two stems.

    ``say`` is told of folders that don't.

    Raises
    ------
    AudioFileError
        If there are none.
    """
    try:
        children = sorted(folder / name for name in os.listdir(folder))
    except (OSError, ValueError) as error:
        raise AudioFileError(
            f"{folder} can't be searched ({getattr(error, 'strerror', None) or error})",
            expected="a folder with a folder a song",
            remedy="check the path",
        ) from error
    songs = [p for p in children if all(_stem(p, names) for names in STEMS)]
    for path in children:
        if path not in songs and not path.name.startswith(".") and os.path.isdir(path):
            say(f"left out, as without vocals.* and accompaniment.*: {path}")
    if not songs:
        raise AudioFileError(
            f"no songs in {folder}",
            expected="a folder a song, each with vocals.* and accompaniment.*",
            remedy="check the path",
        )
    return songs


def read_reference_song(
    folder: Path, *, sample_rate: int, channels: int, on_notice: OnNotice | None = None
) -> ReferenceSong:
    """Read a song at the model's rate and channels; the shorter stem sets the length.

    ``on_notice`` is told what of the files couldn't be read, or is beyond that length.

    Raises
    ------
    AudioFileError
        If a stem can't be read.
    """
    stems = []
    for names in STEMS:
        path = _stem(folder, names)
        assert path is not None  # find_reference_songs made sure
        with AudioReader(path, on_notice=on_notice) as reader:
            sound = np.concatenate(list(reader.chunks()), axis=-1)
            resampler = StreamResampler(reader.sample_rate, sample_rate, channels)
        stems.append(resampler.process(match_channels(sound, channels), last=True))
    count, longest = (f(stem.shape[-1] for stem in stems) for f in (min, max))
    if longest > count and on_notice is not None:
        rest_s = (longest - count) / sample_rate
        text = f"one of its stems is {rest_s:.3f} s longer than the other: that is left out"
        on_notice(Notice(folder, text, lost=rest_s > LOST_S))
    return ReferenceSong(folder.name, stems[0][:, :count], stems[1][:, :count])


def _stem(song: Path, names: tuple[str, ...]) -> Path | None:
    files = (song / f"{name}{suffix}" for name in names for suffix in FORMATS)
    return next((path for path in files if os.path.isfile(path)), None)
