"""``streamsep separate``: the same separator over files, as fast as the machine can."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path

import click

from streamsep.audio.files.sound_file import DEPTHS, subtype_for
from streamsep.cli.names import Names
from streamsep.cli.options import Decibels, device_option, model_option
from streamsep.cli.progress import ProgressBars
from streamsep.dsp.decibels import to_db
from streamsep.errors import ArgumentError, StreamsepError
from streamsep.models import Model
from streamsep.offline.jobs import SOUND_FORMATS, Job, Template, find_input_files, plan
from streamsep.offline.parallel import run_parallel
from streamsep.offline.stem_writer import write_stems
from streamsep.separation import Separator, load_separator, stem_gains

ALL_DEPTHS = sorted({bits for depths in DEPTHS.values() for bits in depths})


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE|FOLDER|GLOB…")
@click.option(
    "-o",
    "--output",
    metavar="DIR|TEMPLATE",
    help="Where the stems go: a folder, or a path with {folder}, {name}, {ext} and "
    "{stem} in it, e.g. 'out/{folder}/{name} ({stem}).flac'.  "
    "[default: beside each file]",
)
@click.option(
    "--stems",
    type=Names(),
    metavar="NAME,…",
    help="Which of the model's stems, e.g. beat,vocals.  [default: all; of a video, beat]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([s.lstrip(".") for s in SOUND_FORMATS]),
    help="Of the stems.  [default: what -o ends in, or wav; a video stays one]",
)
@click.option(
    "--bits",
    type=click.Choice([str(bits) for bits in ALL_DEPTHS]),
    help="Per sample, in wav (32 is floating point) and flac.  [default: 24]",
)
@click.option(
    "--gain",
    type=Decibels(),
    default=0.0,
    show_default=True,
    metavar="DB",
    help="Makes all stems louder or quieter; else they are as loud as in the song.",
)
@click.option(
    "--jobs",
    "parallel",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Files at a time; each takes a core or two and a model's memory.",
)
@click.option("--overwrite", is_flag=True, help="Do again what is done already.")
@model_option
@device_option
def command(
    names: tuple[str, ...],
    output: str | None,
    stems: tuple[str, ...] | None,
    form: str | None,
    bits: str | None,
    gain: float,
    parallel: int,
    overwrite: bool,
    model: Model,
    device: str,
) -> None:
    """Split sound files and videos into stems, faster than they play.

    song.mp3 becomes song.beat.wav and song.vocals.wav, as long as the song to the sample and at
    its own sample rate, and keeps its tags. clip.mp4 becomes clip.beat.mp4 with the same
    picture. (Videos, m4a and covers need the extra 'media'.)

    Folders are searched for sound, with all that is in them. A file that is done already (its
    stems are there, none older than it) is skipped, so that the same command goes on where it
    was stopped. A file that can't be separated doesn't stop the others; a table at the end says
    which, and why.
    """
    try:
        template = Template(output, f".{form}" if form else None)
    except ArgumentError as error:
        raise click.UsageError(f"-o or --format: {error}") from error
    depth = int(bits) if bits else None
    songs = find_input_files(names)
    if depth is not None:
        for suffix in {template.suffix_for(song) for song in songs}:
            subtype_for(suffix, depth)
    load = partial(
        load_separator,
        model,
        device=device,
        offline=True,
        cores=max(1, (os.cpu_count() or 1) // parallel),
    )
    separator = load()
    jobs = plan(songs, template, stems, separator.stems)
    stem_gains([*{stem for job in jobs for stem in job.targets}], separator.stems)
    todo = [job for job in jobs if overwrite or not job.done]
    separators: list[Separator] = [separator]
    while len(separators) < min(parallel, len(todo)):
        separators.append(load())
    report = Report(
        len(jobs),
        done_before=len(jobs) - len(todo),
        left_out=len(songs) - len(jobs),
        keeps_peaks=depth == 32,
    )
    work = partial(write_stems, bits=depth, gain=10 ** (gain / 20))
    with report.closing(), ProgressBars(len(todo)) as bars:

        def separate(separator: Separator, job: Job, check: Callable[[], None]) -> None:
            with bars.of(job.song.path) as show, report.failure_of(job):

                def on_progress(share: float) -> None:
                    check()
                    show(share)

                song, targets = job.song.path, job.targets
                report.add(job, work(separator, song, targets, on_progress=on_progress))

        run_parallel(separators, todo, separate)


class Report:
    """What became of each file: targets on stdout as they come, the rest at the end on stderr.

    Parameters
    ----------
    files
        How many there are.
    done_before
        How many of them needed no work.
    left_out
        How many more were asked for and are stems themselves.
    keeps_peaks
        Whether stems are written in a form that holds more than full scale.
    """

    def __init__(self, files: int, *, done_before: int, left_out: int, keeps_peaks: bool) -> None:
        self._keeps_peaks = keeps_peaks
        self._files, self._done_before, self._left_out = files, done_before, left_out
        self._separated: list[Job] = []
        self._failures: list[tuple[Path, StreamsepError]] = []
        self._cut: list[tuple[Path, float]] = []

    def add(self, job: Job, peaks: dict[str, float]) -> None:
        """Note that a file is done, and how loud its stems are."""
        self._separated.append(job)
        for stem, target in job.targets.items():
            click.echo(target)
            if peaks[stem] > 1.0 and not self._keeps_peaks:
                self._cut.append((target, to_db(peaks[stem])))

    @contextmanager
    def failure_of(self, job: Job) -> Iterator[None]:
        """Note an error of a file, and go on."""
        try:
            yield
        except StreamsepError as error:
            self._failures.append((job.song.path, error))

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Say at the end, however it comes, what became of the files.

        Raises
        ------
        StreamsepError
            If files failed; of one kind if all failed in one way.
        """
        try:
            yield
        finally:
            self._print()
        if self._failures:
            raise self._summary()

    def _print(self) -> None:
        for target, peak in self._cut:
            gain = math.ceil(10 * peak) / 10
            click.echo(
                f"{target} is up to {peak:.1f} dB beyond full scale, and cut there; "
                f"--gain -{gain:.1f} or --format wav --bits 32 keeps it whole",
                err=True,
            )
        if self._files + self._left_out > 1 or self._done_before:
            over = len(self._separated) + self._done_before + len(self._failures)
            counts = {
                "separated": len(self._separated),
                "done before": self._done_before,
                "failed": len(self._failures),
                "still to do": self._files - over,
                "left out, as stems of others": self._left_out,
            }
            line = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            if self._done_before == self._files:
                line += " (--overwrite does it again)"
            plural = "" if self._files == 1 else "s"
            click.echo(f"{self._files} file{plural}: {line or 'none'}", err=True)
        if self._files > 1:
            width = max((len(str(path)) for path, _ in self._failures), default=0)
            for path, error in sorted(self._failures, key=itemgetter(0)):
                why = str(error).removeprefix(f"{path} ")
                click.echo(f"  {path!s:{width}}  {why}", err=True)

    def _summary(self) -> StreamsepError:
        errors = [error for _, error in self._failures]
        if self._files == 1:
            return errors[0]
        kinds = {type(error) for error in errors}
        kind = kinds.pop() if len(kinds) == 1 else StreamsepError
        return kind(
            f"{len(errors)} of {self._files} files couldn't be separated",
            expected="sound files",
            remedy="the lines above say why",
        )
