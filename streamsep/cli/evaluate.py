"""``streamsep evaluate``: score a model on songs whose true stems are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streamsep.audio.file import FORMATS, AudioReader, match_channels
from streamsep.cli.options import device_option, model_option
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import AudioFileError
from streamsep.metrics import usdr
from streamsep.models import builtin_model
from streamsep.separation import ChunkedSeparator, Separator, load_separator

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Score:
    """uSDR of one song in dB: of the separated stems, and of the mixture taken for them."""

    song: str
    beat: float
    vocals: float
    mixture_beat: float
    mixture_vocals: float


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@model_option
@device_option
def command(folder: Path, model: Path | None, device: str) -> None:
    """Score a model on the songs in DIR.

    DIR holds a folder a song, each with vocals.* and accompaniment.*; their sum is what the
    model hears. Figures are utterance SDR in dB, higher is better; the mixture's own are what
    doing nothing gives.
    """
    separator = load_separator(model or builtin_model(), device=device)
    songs = find_songs(folder)
    console = Console(stderr=True)
    scores = [score_song(separator, song) for song in track(songs, "scoring", console=console)]
    Console(highlight=False).print(scores_table(scores))


def find_songs(folder: Path) -> list[Path]:
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


def _stem(song: Path, name: str) -> Path | None:
    return next((p for s in FORMATS if (p := song / f"{name}{s}").is_file()), None)


def score_song(separator: Separator, song: Path) -> Score:
    """Separate one song hop by hop, as live does, and compare.

    Raises
    ------
    AudioFileError
        If a stem can't be read.
    """
    vocals, beat = (_read(song, name, separator) for name in ("vocals", "accompaniment"))
    count = min(vocals.shape[-1], beat.shape[-1])
    vocals, beat = vocals[:, :count], beat[:, :count]
    mixture = vocals + beat
    chunked = ChunkedSeparator(separator)
    stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    named = dict(zip(separator.stems, stems, strict=True))
    # A model of any other stems than vocals still leaves vocals and the sum of all else.
    found = named["vocals"]
    return Score(
        song=song.name,
        beat=usdr(beat, mixture - found),
        vocals=usdr(vocals, found),
        mixture_beat=usdr(beat, mixture),
        mixture_vocals=usdr(vocals, mixture),
    )


def _read(song: Path, name: str, separator: Separator) -> Float32:
    spec = separator.spec
    path = _stem(song, name)
    assert path is not None  # find_songs made sure
    with AudioReader(path) as reader:
        sound = match_channels(np.concatenate(list(reader.finite_chunks()), axis=-1), spec.channels)
        resampler = StreamResampler(reader.sample_rate, spec.sample_rate, spec.channels)
    return resampler.process(sound, last=True)


def scores_table(scores: list[Score]) -> Table:
    """Return the scores with their mean, the mixture's own beside the model's."""
    table = Table(box=None, pad_edge=False)
    for heading in ("uSDR, dB", "beat", "(mixture)", "vocals", "(mixture)"):
        table.add_column(heading, justify="left" if heading == "uSDR, dB" else "right")
    figures = [(s.beat, s.mixture_beat, s.vocals, s.mixture_vocals) for s in scores]
    names = [*(s.song for s in scores), "mean"]
    for name, row in zip(names, [*figures, np.mean(figures, axis=0)], strict=True):
        table.add_row(name, *(f"{figure:.2f}" for figure in row))
    return table
