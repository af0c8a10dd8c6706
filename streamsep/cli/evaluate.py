"""``streamsep evaluate``: score a model on songs whose true stems are known."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from streamsep.audio.files.notices import Notice
from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import remove_leftovers
from streamsep.cli.echo import echo
from streamsep.cli.options import device_option, model_option
from streamsep.errors import LossError
from streamsep.evaluation.methods import DOERS, METHODS, separate_song
from streamsep.evaluation.report import write_page, write_song
from streamsep.evaluation.scores import score_alone, score_song, scores_table
from streamsep.evaluation.songs import ReferenceSong, find_reference_songs, read_reference_song
from streamsep.models import FoundModel
from streamsep.separation import load_separator
from streamsep.types import Float32


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@model_option
@device_option
@click.option(
    "--museval/--no-museval",
    default=True,
    show_default=True,
    help="Also give BSSEval v4's median SDR: slow, needs the eval extra.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a page with scores, spectrograms and sound there.",
)
def command(
    folder: Path, model: FoundModel, device: str, museval: bool, report: Path | None
) -> None:
    """Score a model on the songs in DIR.

    DIR holds a folder a song, each with vocals.* and accompaniment.*; their sum is what the
    model hears. "model live" is a whole session, device block by device block; "mixture" is
    doing nothing, "centre cut" the mixer's way, "ideal mask" what no mask can beat. "music
    kept" is the uSDR of the beat when the accompaniment plays alone, "voice removed" how far
    down the vocals go when they are sung alone.
    """
    live, offline = (
        load_separator(model, device=device, offline=o, wait=True) for o in (False, True)
    )
    spec = live.spec
    songs = find_reference_songs(folder, lambda line: echo(line, err=True))
    if report is not None:
        make_folder(report)
        remove_leftovers([report])
    notices: list[Notice] = []

    def note(notice: Notice) -> None:
        notices.append(notice)
        echo(notice, err=True)

    scores = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scoring", total=len(songs) * len(METHODS))
        for path in songs:
            song = read_reference_song(
                path, sample_rate=spec.sample_rate, channels=spec.channels, on_notice=note
            )
            for method in METHODS:
                progress.update(task, description=f"{song.name}: {method}")
                separator = offline if method == "model offline" else live
                beat, vocals = separate_song(method, song, separator)
                score = score_song(song, method, beat, vocals, spec.sample_rate, museval=museval)
                if method in DOERS:

                    def beat_of(alone: ReferenceSong, method: str = method) -> Float32:
                        return separate_song(method, alone, live)[0]

                    score = score_alone(score, song, beat_of)
                scores.append(score)
                if report is not None and method == "model live":
                    write_song(report, song, beat, vocals, spec.sample_rate)
                progress.advance(task)
    Console(highlight=False, width=110).print(scores_table(scores))
    if report is not None:
        echo(write_page(report, spec.name, scores))
    if any(notice.lost for notice in notices):
        raise LossError(
            "not all sound of the songs could be read",
            expected="whole files",
            remedy="the lines above say what is silence in them, and where",
        )
