"""``streamsep inspect``: what a model makes of a file, to look at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.text import Text

from streamsep.audio.files.file_identity import file_identity
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import remove_leftovers
from streamsep.audio.files.pipe_input import STDIN, regular_file
from streamsep.audio.files.sound_file import AudioReader
from streamsep.cli.echo import echo
from streamsep.cli.number_types import Finite
from streamsep.cli.options import device_option, model_option
from streamsep.cli.progress import ProgressBars
from streamsep.errors import AudioFileError, LossError, OutputError, StreamsepError
from streamsep.evaluation.picture import draw_picture
from streamsep.evaluation.spectrogram import Spectrogram
from streamsep.models import FoundModel
from streamsep.offline.jobs import InputFile
from streamsep.offline.parallel import run_parallel
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.separation import Separator, load_separator, stem_gains
from streamsep.tui.spectrogram_text import OCTAVE_EDGES_HZ, axis, columns_for, picture
from streamsep.tui.view import ascii_only
from streamsep.types import Float32

STEMS = ("beat", "vocals")
SILENCE_DB = -120.0  # shades tell nothing apart below


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.png|DIR",
    help="Where the picture goes.  [default: FILE.spectrogram.png beside the file]",
)
@click.option(
    "--start",
    "start_s",
    type=Finite(min=0.0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="Where to begin.",
)
@click.option(
    "--seconds",
    type=Finite(min=0.0, min_open=True),
    metavar="SECONDS",
    help="How much to look at.  [default: up to the end]",
)
@model_option
@device_option
def command(
    file: Path,
    output: Path | None,
    start_s: float,
    seconds: float | None,
    model: FoundModel,
    device: str,
) -> None:
    """Draw spectrograms and levels of a file, its beat and its vocals.

    Into a PNG, and here in coarser form: a row an octave, the denser the louder. (The PNG
    needs the extra 'eval'.) Takes any file that separate takes.
    """
    if str(file) == "-":
        file = STDIN
    target = _target(file, output)
    remove_leftovers([target.parent])
    separator = load_separator(model, device=device, offline=True)
    sounds: dict[str, Spectrogram] = {}
    notices: list[Notice] = []
    with ProgressBars(1) as bars:

        def look(separator: Separator, path: Path, check: Callable[[], None]) -> None:
            with bars.of(path) as show:

                def on_progress(share: float) -> None:
                    check()
                    show(share)

                with regular_file(path, check) as copy:
                    sounds.update(_look(separator, copy, start_s, seconds, on_progress, notices))

        run_parallel([separator], [file], look)
    for notice in notices:
        echo(notice, err=True)
    _print(sounds, start_s)
    try:
        draw_picture(sounds, target, start_s=start_s)
    except StreamsepError as error:
        if output is not None or isinstance(error, OutputError):
            raise
        echo(f"streamsep: {error}", err=True)
    else:
        echo(target)
    if any(notice.lost for notice in notices):
        raise LossError(
            f"not all sound of {file} could be read",
            expected="a whole file",
            remedy="the lines above say what is silence in the picture",
        )


def _look(
    separator: Separator,
    file: Path,
    start_s: float,
    seconds: float | None,
    on_progress: Callable[[float], None],
    notices: list[Notice],
) -> dict[str, Spectrogram]:
    """Return what mixture, beat and vocals hold."""
    gains, done = stem_gains(STEMS, separator.stems), 0
    length = _length(file)  # by decoding it: what headers say isn't always true
    with AudioReader(file, on_notice=notices.append) as reader:
        start, samples = _excerpt(reader, length, start_s, seconds)
        sounds = {name: Spectrogram(samples, reader.sample_rate) for name in ("mixture", *STEMS)}
        blocks = stem_blocks(
            separator,
            _cut(reader, start, samples),
            sample_rate=reader.sample_rate,
            channels=min(reader.channels, separator.spec.channels),
        )
        with closing(blocks):  # before the reader: threads use it
            for stems in blocks:
                parts = np.tensordot(gains, stems, axes=1)
                for spectrogram, sound in zip(
                    sounds.values(), (stems.sum(axis=0), *parts), strict=True
                ):
                    spectrogram.add(sound)
                done += stems.shape[-1]
                on_progress(min(done / samples, 1.0))
    for spectrogram in sounds.values():
        spectrogram.finish()
    return sounds


def _length(file: Path) -> int:
    """Return how many samples a file has."""
    with AudioReader(file) as reader:
        return sum(chunk.shape[-1] for chunk in reader.chunks())


def _target(file: Path, output: Path | None) -> Path:
    song = InputFile(file)
    name = f"{song.name}.spectrogram.png"
    if output is None:
        return song.beside / name
    if output.suffix.lower() == ".png" and not os.path.isdir(output):
        target = output
    elif output.suffix and not os.path.isdir(output):
        raise OutputError(
            f"the picture can't be {output}",
            expected="a name that ends in .png, or a folder",
            remedy="choose another with -o",
        )
    else:
        target = output / name
    if file_identity(target) == file_identity(file):
        raise OutputError(
            f"{target} is the file to look at itself",
            expected="a file of its own for the picture",
            remedy="choose another with -o",
        )
    make_folder(target.parent)
    return target


def _excerpt(
    reader: AudioReader, length: int, start_s: float, seconds: float | None
) -> tuple[int, int]:
    """Return the first sample to look at, and how many."""
    rate = reader.sample_rate
    start = round(start_s * rate)
    if start >= length:
        raise AudioFileError(
            f"{reader.path} lasts {length / rate:.1f} s",
            expected=f"more than the {start_s:g} s of --start",
            remedy="begin earlier",
        )
    left = length - start
    return start, left if seconds is None else min(left, max(round(seconds * rate), 1))


def _cut(reader: AudioReader, start: int, samples: int) -> Iterator[Float32]:
    """Yield chunks of an excerpt; what is before is decoded and dropped, which any format can."""
    for chunk in reader.chunks():
        kept = chunk[:, start : start + samples]
        start = max(start - chunk.shape[-1], 0)
        samples -= kept.shape[-1]
        if kept.shape[-1]:
            yield kept
        if not samples:
            return


def _print(sounds: dict[str, Spectrogram], start_s: float) -> None:
    console = Console(highlight=False)
    columns = columns_for(console.width)
    octaves = {name: sound.bands_db(OCTAVE_EDGES_HZ, columns) for name, sound in sounds.items()}
    top_db = max(float(octaves["mixture"].max()), SILENCE_DB)
    lines = [
        picture(name, octaves[name], sound.levels_db(columns), mean_db=sound.mean_db, top_db=top_db)
        for name, sound in sounds.items()
    ]
    lines.append(axis(start_s, sounds["mixture"].seconds, columns))
    text = Text("\n").join(lines)
    if not console.encoding.lower().startswith("utf"):
        text.plain = ascii_only(text.plain)
    console.print(text)
