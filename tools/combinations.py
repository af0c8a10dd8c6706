#!/usr/bin/env python3
"""What models come to together: uSDR of beat and vocals of each, of blends, and of second passes.

    python tools/combinations.py SONGS MODEL MODEL

SONGS has a folder a song, as for ``streamsep evaluate``. Prints a table in Markdown, means over the
songs in dB.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

import streamsep
from streamsep.evaluation.metrics import song_usdr
from streamsep.evaluation.songs import find_reference_songs, read_reference_song
from streamsep.separation.combination import BLENDS

RATE, CHANNELS = 44_100, 2


@click.command()
@click.argument("folder", metavar="SONGS", type=click.Path(path_type=Path, file_okay=False))
@click.argument("first")
@click.argument("second")
def main(folder: Path, first: str, second: str) -> None:
    """Score two models, alone and together."""
    songs = [
        read_reference_song(path, sample_rate=RATE, channels=CHANNELS)
        for path in find_reference_songs(folder)
    ]
    print("| | beat | vocals |\n| --- | ---: | ---: |")
    for name, options in ways(first, second):
        model = streamsep.load(**options)
        scores = []
        for song in songs:
            stems = streamsep.separate(song.mixture, RATE, model=model)
            truth = {"beat": song.beat, "vocals": song.vocals}
            scores.append([song_usdr(truth[stem], stems[stem]) for stem in ("beat", "vocals")])
        beat, vocals = np.mean(scores, axis=0)
        print(f"| {name} | {beat:.2f} | {vocals:.2f} |", flush=True)


def ways(first: str, second: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what to score: how a row is called, and what to load."""
    for name in (first, second):
        yield f"`{name}`", {"model": name}
    for blend in BLENDS:
        yield f"`{blend}` of both", {"model": [first, second], "blend": blend}
    for one, other in ((first, second), (second, first)):
        yield f"`{one}`, then `{other}`", {"model": one, "two_pass": other}


if __name__ == "__main__":
    main()
