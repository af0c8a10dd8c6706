"""What a lossy codec before the separator costs: the beat's gain on songs as they are and coded.

    python tools/lossy.py DIR --model live --model FILE

DIR holds songs as 'streamsep evaluate' takes them. Scored is uSDR of the beat above that of the
coded mixture, in dB, where the beat is the coded mixture without the true vocals.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))
from export.augment.codec_augmentation import Codec, transcode
from streamsep.errors import StreamsepError
from streamsep.evaluation.methods import separate_song
from streamsep.evaluation.metrics import song_usdr
from streamsep.evaluation.songs import ReferenceSong, find_reference_songs, read_reference_song
from streamsep.models import find_model
from streamsep.separation import load_separator

CODECS = {
    "Vorbis, high": Codec("OGG", "VORBIS", 0.5),
    "Vorbis, low": Codec("OGG", "VORBIS", 0.9),
    "MP3": Codec("MP3", "MPEG_LAYER_III", 0.7),
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, default=("live",), show_default=True)
def main(folder: Path, models: tuple[str, ...]) -> None:
    """Print a table: a line a song and codec, a column a model."""
    try:
        table = compare(folder, models)
    except StreamsepError as error:
        raise click.ClickException(str(error)) from error
    Console(width=120).print(table)


def compare(folder: Path, models: tuple[str, ...]) -> Table:
    """Score every model on every song, through every codec."""
    separators = [load_separator(find_model(model), device="cpu", offline=True) for model in models]
    spec = separators[0].spec
    table = Table("codec", "kbit/s", "song", *(Path(m).stem for m in models))
    for name, codec in {"none": None, **CODECS}.items():
        rows = []
        for path in find_reference_songs(folder):
            song = read_reference_song(path, sample_rate=spec.sample_rate, channels=spec.channels)
            rate = 0.0
            if codec is not None:
                coded, rate = transcode(song.mixture, spec.sample_rate, codec)
                song = ReferenceSong(song.name, song.vocals, coded - song.vocals)
            untouched = song_usdr(song.beat, song.mixture)
            gains = [
                song_usdr(song.beat, separate_song("model offline", song, separator)[0]) - untouched
                for separator in separators
            ]
            rows.append((rate, *gains))
            table.add_row(*cells(name, rate, song.name, gains))
        rate, *gains = np.mean(rows, axis=0)
        table.add_row(*cells(name, rate, "mean", gains), end_section=True)
    return table


def cells(codec: str, rate: float, song: str, gains: list[float]) -> list[str]:
    """Write a line of the table; what is not coded has no rate."""
    return [codec, f"{rate:.0f}" if rate else "", song, *(f"{gain:.2f}" for gain in gains)]


if __name__ == "__main__":
    main()
