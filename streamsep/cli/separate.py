"""``streamsep separate``: the same separator over files, as fast as the machine can."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streamsep.audio.file import AudioReader, AudioWriter, match_channels
from streamsep.cli.options import device_option, make_folder, model_option
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import OutputError, StreamsepError
from streamsep.separation import ChunkedSeparator, Separator, load_separator

Float32 = NDArray[np.float32]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Where the stems go.  [default: beside each file]")
@model_option
@device_option
def command(files: tuple[Path, ...], folder: Path | None, model: Path, device: str) -> None:
    """Split sound FILES into stems, faster than they play.

    song.mp3 becomes song.beat.wav and song.vocals.wav, as long as the song to the sample and at
    its own sample rate. A file that can't be read doesn't stop the others.
    """
    _refuse_same_targets(files, folder)
    separator = load_separator(model, device=device)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    failures: list[StreamsepError] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for path in files:
            task = progress.add_task(path.name, total=1.0)
            on_progress = partial(_update, progress, task)
            try:
                written = separate_file(
                    separator, path, folder or path.parent, on_progress=on_progress
                )
            except StreamsepError as error:
                if len(files) == 1:
                    raise
                failures.append(error)
                console.print(
                    f"streamsep: {error}",
                    style="red", markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip
            else:
                for target in written:
                    click.echo(target)
    if failures:
        raise type(failures[-1])(
            f"{len(failures)} of {len(files)} files couldn't be separated",
            expected="sound files",
            remedy="the lines above say why",
        )


def _refuse_same_targets(files: tuple[Path, ...], folder: Path | None) -> None:
    """Refuse before any work what would end in one file's stems overwriting another's."""
    owners: dict[Path, Path] = {}
    for path in files:
        owner = owners.setdefault((folder or path.parent) / path.stem, path)
        if owner is not path:
            raise OutputError(
                f"{owner} and {path} would both become {path.stem}.*.wav in one folder",
                expected="files whose names differ before the suffix",
                remedy="separate them one after the other, with different -o",
            )


def _update(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)


def separate_file(
    separator: Separator, path: Path, folder: Path, *, on_progress: Callable[[float], object]
) -> list[Path]:
    """Write each stem of ``path`` to ``folder`` and return the files.

    Parameters
    ----------
    separator
        Fresh or reset.
    path
        Sound file; its rate is kept, mono stays mono, more than two channels become two.
    folder
        Made if missing.
    on_progress
        Called with the share done, 0 to 1.

    Raises
    ------
    AudioFileError
        If the file can't be read, or holds NaN or Inf.
    OutputError
        If a stem can't be written. Nothing is left under a stem's name in either case.
    """
    make_folder(folder, "-o")
    targets = [folder / f"{path.stem}.{stem}.wav" for stem in separator.stems]
    with AudioReader(path) as reader, _written_whole(targets, reader) as writers:
        done = 0
        for stems in _separated(separator, reader):
            for writer, stem in zip(writers, stems, strict=True):
                writer.write(stem)
            done += stems.shape[-1]
            on_progress(done / reader.frames)
    return targets


def _separated(separator: Separator, reader: AudioReader) -> Iterator[Float32]:
    """Yield stems (S, C, n) at the file's rate, in all as long as the file.

    C is the file's channels, at most the model's. The residual is taken from the file itself:
    what the model's sample rate can't hold stays in it, and the stems sum to the file.
    """
    spec, rate = separator.spec, reader.sample_rate
    count, channels = len(separator.stems), min(reader.channels, spec.channels)
    chunked = ChunkedSeparator(separator)
    way_in = StreamResampler(rate, spec.sample_rate, spec.channels)
    way_out = StreamResampler(spec.sample_rate, rate, count * spec.channels)
    original = np.zeros((channels, 0), np.float32)  # what no stems have come for yet

    def back(stems: Float32, *, last: bool = False) -> Float32:
        nonlocal original
        flat = way_out.process(stems.reshape(count * spec.channels, -1), last=last)
        there = min(flat.shape[-1], original.shape[-1])
        full = flat[:, :there].reshape(count, spec.channels, there)
        stems = np.stack([match_channels(stem, channels) for stem in full])
        stems[-1] = original[:, :there]
        for stem in stems[:-1]:
            stems[-1] -= stem
        original = original[:, there:]
        return stems

    for chunk in reader.finite_chunks():
        original = np.concatenate([original, match_channels(chunk, channels)], axis=-1)
        mixture = way_in.process(match_channels(chunk, spec.channels))
        yield back(chunked.feed(mixture))
    chunked_rest = [chunked.feed(way_in.process(mixture[:, :0], last=True)), chunked.finish()]
    yield back(np.concatenate(chunked_rest, axis=-1), last=True)


@contextmanager
def _written_whole(targets: list[Path], reader: AudioReader) -> Iterator[list[AudioWriter]]:
    """Writers under temporary names; the final ones appear only when all is written."""
    parts = [target.with_name(f".{target.stem}.part{target.suffix}") for target in targets]
    channels = min(reader.channels, 2)
    try:
        with ExitStack() as stack:
            writers = []
            for part in parts:
                writers.append(AudioWriter(part, reader.sample_rate, channels))
                stack.callback(writers[-1].close)
            yield writers
        for part, target in zip(parts, targets, strict=True):
            _rename(part, target)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _rename(part: Path, target: Path) -> None:
    try:
        os.replace(part, target)
    except OSError as error:
        raise OutputError(
            f"{target} can't be written ({error.strerror})",
            expected="a name that is free, or an older stem",
            remedy="choose another folder with -o",
        ) from error
