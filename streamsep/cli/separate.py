"""``streamsep separate``: the same separator over files, as fast as the machine can."""

from __future__ import annotations

import json
import math
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

from streamsep.audio.files.encoding import CODECS, Encoding
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.part_files import remove_leftovers
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.sound_choice import SoundChoice
from streamsep.audio.files.sound_writer import DEPTHS
from streamsep.cli.echo import echo
from streamsep.cli.names import Names
from streamsep.cli.number_types import Decibels
from streamsep.cli.options import channel_option, device_option, several_models_option, track_option
from streamsep.cli.progress import ProgressBars
from streamsep.cli.ray_options import RayOptions, ray_options
from streamsep.cli.sandbox import OPTION, SandboxedCommand, note_progress
from streamsep.dsp.decibels import to_db
from streamsep.errors import (
    ArgumentError,
    LossError,
    StreamsepError,
    as_streamsep_error,
    printable,
)
from streamsep.models import FoundModel, find_model
from streamsep.offline.jobs import SOUND_FORMATS, Job, Template, plan
from streamsep.offline.made_from import MadeFrom, StemRecords, facts_of, mark_of_all, note_made
from streamsep.offline.parallel import Stopped, run_parallel
from streamsep.offline.song_search import find_input_files
from streamsep.offline.song_states import DONE, TAKEN, TO_DO, song_state
from streamsep.offline.stem_writer import write_stems
from streamsep.separation import load_separator, stem_gains
from streamsep.separation.combination import BLENDS, combined
from streamsep.separation.per_pair import LAYOUT_WAYS, PairSeparators

TRACEBACK = "STREAMSEP_TRACEBACK"  # in the environment: shows where foreign errors come from
ALL_DEPTHS = sorted({bits for depths in DEPTHS.values() for bits in depths})


@click.command(cls=SandboxedCommand)
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
    help="Of the stems; stem.m4a is one file of all, for DJ programs.  [default: what -o ends "
    "in, or wav; a video stays one]",
)
@click.option(
    "--bits",
    type=click.Choice([str(bits) for bits in ALL_DEPTHS]),
    help="Per sample, in wav (32 is floating point), flac and alac.  [default: 24; 16 in stem.m4a]",
)
@click.option(
    "--codec",
    type=click.Choice(CODECS),
    help="Of m4a and stem.m4a; alac is lossless.  [default: aac in m4a, alac in stem.m4a]",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUT_WAYS),
    default=LAYOUT_WAYS[0],
    show_default=True,
    help="Of more than two channels: mixed to stereo, or kept and each pair separated.",
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
@track_option
@channel_option
@click.option("--overwrite", is_flag=True, help="Do again what is done already.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object for each file and for each thing to be said of it.",
)
@click.option(
    OPTION,
    is_flag=True,
    expose_value=False,
    help="For a model of strangers: run it in a process of its own, with limits of memory and "
    "time, and without network where the system allows that.  (Linux)",
)
@several_models_option
@click.option(
    "--blend",
    type=click.Choice(BLENDS),
    help="How several models' vocals become one: the mean of their sounds, or in each bin of the "
    "spectrum the loudest or the quietest.  [default: mean]",
)
@click.option(
    "--two-pass",
    "second",
    callback=lambda context, option, name: None if name is None else find_model(name),
    metavar="NAME|FILE",
    help="A second model, over the first one's beat: the vocals left there go with the others.",
)
@device_option
@ray_options
def command(
    names: tuple[str, ...],
    output: str | None,
    stems: tuple[str, ...] | None,
    form: str | None,
    bits: str | None,
    codec: str | None,
    layout: str,
    gain: float,
    parallel: int,
    track: str | None,
    channel: str,
    overwrite: bool,
    as_json: bool,
    models: tuple[FoundModel, ...],
    blend: str | None,
    second: FoundModel | None,
    device: str,
    cluster: RayOptions,
) -> None:
    """Split sound files and videos into stems, faster than they play.

    song.mp3 becomes song.beat.wav and song.vocals.wav, as long as the song to the sample and at
    its own sample rate, and keeps its tags. clip.mp4 becomes clip.beat.mp4 with the same
    picture. (Videos, m4a and covers need the extra 'media'.)

    Folders are searched for sound, with all that is in them; - is standard input. A file that is
    done already (its stems are there, made of it by the same model and options) is skipped, so
    that the same command goes on where it was stopped. A file that can't be separated doesn't
    stop the others; a table at the end says which, and why. What of a file can't be read is
    silence in its stems, and a line says where; the exit code is 12 then.
    """
    try:
        template = Template(output, f".{form}" if form else None)
    except ArgumentError as error:
        raise click.UsageError(f"-o or --format: {error}") from error
    encoding = Encoding(int(bits) if bits else None, codec)
    choice = SoundChoice(track, channel)
    model = combined(models, blend=blend, second=second)
    keeps_layout = layout == "keep"
    options: dict[str, Any] = {"gain_db": gain, **encoding.facts, **choice.facts}
    options |= {"layout": layout} if keeps_layout else {}
    if cluster.address is not None:
        if parallel > 1:
            raise click.UsageError("--jobs is of one machine, --ray of many: leave one out")
        from streamsep.cli.separate_on_ray import Wanted, separate_on_ray

        wanted = Wanted(
            stems,
            encoding,
            choice,
            gain,
            overwrite,
            as_json,
            model=model,
            device=device,
            keep_layout=keeps_layout,
            facts=options,
        )
        separate_on_ray(names, output, form, wanted, cluster)
        return
    cluster.refuse_alone()
    found = find_input_files(names)
    songs = found.files
    for suffix in {template.suffix_for(song) for song in songs}:
        encoding.check(suffix)
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
    mark = mark_of_all(model)
    facts = {job.song.path: facts_of(job.song.path, mark, options) for job in jobs}
    records = StemRecords()
    states = {
        job.song.path: TO_DO if overwrite else _state(job, facts[job.song.path], records)
        for job in jobs
    }
    todo = [job for job in jobs if states[job.song.path] == TO_DO]
    remove_leftovers({target.parent for job in jobs for target in job.targets.values()})
    separators = [PairSeparators(separator, load)]
    while len(separators) < min(parallel, len(todo)):
        separators.append(PairSeparators(load(), load))
    report = Report(
        len(jobs),
        states=Counter(states.values()),
        stems_of_others=len(songs) - len(jobs),
        keeps_peaks=encoding.bits == 32,
        as_json=as_json,
    )
    for line in found.left_out_lines:
        report.say(line)
    work = partial(write_stems, choice=choice, encoding=encoding, gain=10 ** (gain / 20))
    with report.closing(), ProgressBars(len(todo)) as bars:

        def separate(separators: PairSeparators, job: Job, check: Callable[[], None]) -> None:
            with bars.of(job.song.path) as show, report.failure_of(job):

                def on_progress(share: float) -> None:
                    check()
                    note_progress()
                    show(share)

                song, targets = job.song.path, job.targets
                peaks = work(
                    separators.first,
                    song,
                    targets,
                    per_pair=separators if keeps_layout else None,
                    on_progress=on_progress,
                    on_notice=report.note,
                )
                if (made_from := facts[song]) is not None and not is_pipe(song):
                    note_made(job.files, made_from)
                report.add(job, peaks)

        run_parallel(separators, todo, separate)


def _state(job: Job, facts: MadeFrom | None, records: StemRecords) -> str:
    if is_pipe(job.song.path):
        return TO_DO
    return song_state(facts, ((os.path.isfile(t), records.of(t)) for t in job.targets.values()))


class Report:
    """What became of each file: targets on stdout as they come, the rest at the end on stderr.

    Parameters
    ----------
    files
        How many there are.
    states
        How many of them are to be done, needed no work, or can't get the names of other files.
    stems_of_others
        How many more were asked for and are stems themselves.
    keeps_peaks
        Whether stems are written in a form that holds more than full scale.
    as_json
        Whether standard output gets objects, not names.
    """

    def __init__(
        self,
        files: int,
        *,
        states: Counter[str],
        stems_of_others: int,
        keeps_peaks: bool,
        as_json: bool,
    ) -> None:
        self._keeps_peaks, self._as_json = keeps_peaks, as_json
        self._lossy: set[Path] = set()
        self._files, self._states, self._stems_of_others = files, states, stems_of_others
        self._separated: list[Job] = []
        self._failures: list[tuple[Path, StreamsepError]] = []
        self._cut: list[tuple[Path, float]] = []

    def add(self, job: Job, peaks: dict[str, float]) -> None:
        """Note that a file is done, and how loud its stems are."""
        self._separated.append(job)
        self._print_object(job.song.path, stems={s: str(t) for s, t in job.targets.items()})
        for target, peak in job.peaks_of_files(peaks).items():
            if not self._as_json:
                echo(target)
            if peak > 1.0 and not self._keeps_peaks:
                self._cut.append((target, to_db(peak)))

    def note(self, notice: Notice) -> None:
        """Say at once what isn't in a file's stems as it was in the file."""
        echo(notice, err=True)
        self._print_object(
            notice.path, notice=printable(notice.text), lost=notice.lost, at_s=notice.at_s
        )
        if notice.lost:
            self._lossy.add(notice.path)

    def _print_object(self, song: Path, **facts: object) -> None:
        if self._as_json:
            echo(json.dumps({"song": str(song), **facts}))

    def say(self, line: str) -> None:
        """Say what is of no one file."""
        echo(line, err=True)
        if self._as_json:
            echo(json.dumps({"notice": printable(line)}))

    @contextmanager
    def failure_of(self, job: Job) -> Iterator[None]:
        """Note any error of a file, and go on."""
        try:
            yield
        except Stopped:
            raise
        except Exception as foreign:
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            error = as_streamsep_error(foreign, str(job.song.path))
            self._failures.append((job.song.path, error))
            self._print_object(job.song.path, error=str(error), exit_code=error.exit_code)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Say at the end, however it comes, what became of the files.

        Raises
        ------
        StreamsepError
            If files failed; of one kind if all failed in one way. A `LossError` if none failed,
            but sound of some is missing.
        """
        try:
            yield
        finally:
            self._print()
        if self._failures:
            raise self._summary()
        if self._lossy:
            some = next(iter(self._lossy)) if self._files == 1 else f"{len(self._lossy)} files"
            raise LossError(
                f"not all sound of {some} could be read",
                expected="whole files",
                remedy="the lines above say what is silence in the stems, and where",
            )

    def _print(self) -> None:
        for target, peak in self._cut:
            gain = math.ceil(10 * peak) / 10
            self.say(
                f"{target} is up to {peak:.1f} dB beyond full scale, and cut there; "
                f"--gain -{gain:.1f} or --format wav --bits 32 keeps it whole"
            )
        done, taken = self._states[DONE], self._states[TAKEN]
        if self._files + self._stems_of_others > 1 or done or taken:
            over = len(self._separated) + done + taken + len(self._failures)
            counts = {
                "separated": len(self._separated),
                "done before": done,
                "failed": len(self._failures),
                "still to do": self._files - over,
                "left alone, as their stems' names are those of other files": taken,
                "left out, as stems of others": self._stems_of_others,
            }
            line = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            if taken:
                line += " (--overwrite replaces them)"
            elif done == self._files:
                line += " (--overwrite does it again)"
            plural = "" if self._files == 1 else "s"
            echo(f"{self._files} file{plural}: {line or 'none'}", err=True)
        if self._files > 1:
            width = max((len(printable(str(path))) for path, _ in self._failures), default=0)
            for path, error in sorted(self._failures, key=itemgetter(0)):
                name = printable(str(path))
                echo(f"  {name:{width}}  {str(error).removeprefix(f'{name} ')}", err=True)

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
