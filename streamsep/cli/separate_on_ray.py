"""``streamsep separate --ray``: a catalogue over a cluster."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamsep.audio.files.encoding import Encoding
from streamsep.audio.files.part_files import remove_leftovers, whole_file
from streamsep.audio.files.sound_choice import SoundChoice
from streamsep.audio.files.stream_copies import VIDEO_SUFFIXES
from streamsep.cli.echo import echo
from streamsep.cli.ray_options import RayOptions
from streamsep.cli.separate import Report
from streamsep.cluster.catalogue import Catalogue, find_catalogue
from streamsep.cluster.dashboard import RayMetrics
from streamsep.cluster.manifest import Manifest
from streamsep.cluster.orders import ModelsBundle, SeparationTask, SongOrder
from streamsep.cluster.part_store import remove_left_parts, remove_parts
from streamsep.cluster.plan import PlannedSong, folder_of, place_of, plan_run
from streamsep.cluster.ray import RayWorkers
from streamsep.cluster.ray_extra import load_for_cluster
from streamsep.cluster.store import StorePath, is_uri, names_under
from streamsep.cluster.throughput import Throughput
from streamsep.errors import BackendError, OutputError, first_line
from streamsep.offline.jobs import Template, plan
from streamsep.offline.made_from import mark_of_all
from streamsep.offline.song_states import TO_DO
from streamsep.separation import load_separator, stem_gains
from streamsep.separation.combination import Combination, Source

MANIFEST = "streamsep-manifest.csv"
SAMPLE = 3  # songs that a dry run separates
PROMETHEUS_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options of one machine ask for; ``facts`` are those that stems depend on."""

    stems: tuple[str, ...] | None
    encoding: Encoding
    choice: SoundChoice
    gain_db: float
    overwrite: bool
    as_json: bool
    model: Source | Combination
    device: str
    keep_layout: bool
    facts: dict[str, Any]

    @property
    def task(self) -> SeparationTask:
        """What each worker does."""
        return SeparationTask(
            ModelsBundle.of(self.model),
            self.device,
            self.encoding,
            self.choice,
            gain=10 ** (self.gain_db / 20),
            keep_layout=self.keep_layout,
        )


def separate_on_ray(
    names: tuple[str, ...],
    output: str | None,
    form: str | None,
    wanted: Wanted,
    cluster: RayOptions,
) -> None:
    """Separate what names mean on a cluster; see the command."""
    if output is None:
        raise click.UsageError("--ray needs -o: a folder or a template, as a path or URI")
    template = Template(place_of(output), f".{form}" if form else None)
    folder = folder_of(output)
    manifest = Manifest(place_of(cluster.manifest or f"{folder}/{MANIFEST}"))
    catalogue = find_catalogue(names)
    there = names_under(folder) if is_uri(folder) else set()
    songs = _planned(catalogue, template, there, manifest, wanted)
    todo = [song for song in songs if song.state == TO_DO]
    if cluster.dry_run:
        _tell_cost(todo, len(songs), wanted, cluster)
        return
    remove_left_parts((song.parts for song in songs if song.state != TO_DO), there)
    remove_leftovers(target.parent for song in songs for target in song.local_targets)
    manifest.rows |= {song.row.song: song.row for song in songs}
    manifest.save()
    report = Report(
        len(songs),
        states=Counter(song.state for song in songs),
        stems_of_others=len(catalogue.found.files) - len(songs),
        keeps_peaks=wanted.encoding.bits == 32,
        as_json=wanted.as_json,
    )
    for line in [*catalogue.found.left_out_lines, *_videos(todo, template)]:
        report.say(line)
    with report.closing():
        try:
            if todo:
                _run(todo, wanted, cluster, manifest, report)
        finally:
            manifest.save()
            echo(f"{manifest.uri} has a row for each song", err=True)


def _planned(
    catalogue: Catalogue, template: Template, there: set[str], manifest: Manifest, wanted: Wanted
) -> list[PlannedSong]:
    """Return what is to be done, as one machine would plan it."""
    files = catalogue.found.files
    for suffix in {template.suffix_for(song) for song in files}:
        wanted.encoding.check(suffix)
    # What the model gives; the workers' devices needn't be here.
    stems = load_separator(wanted.model, device="cpu", offline=True).stems
    jobs = plan(files, template, wanted.stems, stems)
    stem_gains([*{stem for job in jobs for stem in job.targets}], stems)
    return plan_run(
        jobs,
        catalogue,
        manifest.rows,
        there=there,
        model=mark_of_all(wanted.model),
        options=wanted.facts,
        overwrite=wanted.overwrite,
    )


def _videos(todo: list[PlannedSong], template: Template) -> list[str]:
    """Return a line if pictures are lost: what a store holds isn't opened before it is fetched."""
    videos = [
        song.job.song.path
        for song in todo
        if isinstance(song.job.song.path, StorePath)
        and song.job.song.path.suffix.lower() in VIDEO_SUFFIXES
        and template.suffix_for(song.job.song) not in VIDEO_SUFFIXES
    ]
    if not videos:
        return []
    return [
        f"of {len(videos)} videos in a store, such as {videos[0]}, the stems are sound alone; "
        "an output that ends in .mp4 keeps the picture"
    ]


def _run(
    todo: list[PlannedSong],
    wanted: Wanted,
    cluster: RayOptions,
    manifest: Manifest,
    report: Report,
) -> None:
    planned = {song.row.song: song for song in todo}
    with connected(cluster.address or ""), _bar(len(todo)) as bar:
        workers = RayWorkers(wanted.task, gpus_per_worker=cluster.gpus_per_worker)
        totals, metrics, written_s = Throughput(len(todo)), RayMetrics(), 0.0
        with closing(workers.run([song.order for song in todo])) as outcomes:
            for order, outcome in outcomes:
                song = planned[order.song]
                totals.add(outcome)
                metrics.add(outcome)
                song.busy_s += outcome.seconds
                bar(totals, workers.count)
                if outcome.is_share:
                    continue
                manifest.note(song.ended(outcome))
                if outcome.split is not None and outcome.error is None:
                    _remove_parts(order.parts, report)
                with report.failure_of(song.job):
                    for notice in outcome.notices:
                        report.note(notice)
                    if outcome.error is not None:
                        raise outcome.error
                    report.add(song.job, dict(outcome.peaks or {}))
                if cluster.prometheus and time.monotonic() - written_s > PROMETHEUS_S:
                    _write(cluster.prometheus, totals.prometheus(workers.count))
                    written_s = time.monotonic()
        if cluster.prometheus:
            _write(cluster.prometheus, totals.prometheus(workers.count))
        for line in totals.lines:
            echo(line, err=True)


def _remove_parts(folder: str, report: Report) -> None:
    try:
        remove_parts(folder)
    except OutputError as error:  # the next run tries again
        report.say(str(error))


def _write(path: str, text: str) -> None:
    with whole_file(Path(path)) as part:
        part.write_text(text, encoding="utf-8")


def _tell_cost(todo: list[PlannedSong], songs: int, wanted: Wanted, cluster: RayOptions) -> None:
    """Separate a few songs from all over the catalogue, keep nothing, and say what all take."""
    if not todo:
        echo(f"{songs} songs, all done before or left alone: nothing to do")
        return
    sample = todo[:: max(1, len(todo) // SAMPLE)][:SAMPLE]
    orders = [SongOrder(song.row.song, {}, song.order.stems) for song in sample]
    with connected(cluster.address or ""):
        workers = RayWorkers(wanted.task, gpus_per_worker=cluster.gpus_per_worker)
        count = workers.capacity()
        with closing(workers.run(orders)) as ended:
            outcomes = [outcome for _, outcome in ended]
    good = [outcome for outcome in outcomes if outcome.error is None]
    if not good:
        raise outcomes[0].error or BackendError(
            "no song was measured", expected="one", remedy="try others"
        )
    each_s = sum(outcome.seconds for outcome in good) / len(good)
    sound_s = sum(outcome.sound_s for outcome in good) / len(good)
    total_h = each_s * len(todo) / 3_600
    if wanted.as_json:
        facts = dict(songs=songs, to_do=len(todo), measured=len(good), seconds_a_song=each_s)
        facts |= dict(sound_s_a_song=sound_s, workers=count, worker_hours=total_h)
        echo(json.dumps(facts | dict(hours=total_h / count)))
        return
    echo(
        f"{len(todo)} of {songs} songs to do; {len(good)} measured: {each_s:.2f} s a song of "
        f"{sound_s:.0f} s ({sound_s / each_s:.1f} times real time a worker); all take "
        f"{total_h:.2f} hours of a worker, {total_h / count:.2f} hours with {count} workers"
    )


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, and disconnect; what is connected already stays so.

    Parameters
    ----------
    address
        See Ray; nothing for what RAY_ADDRESS says, or else a cluster of this machine alone.

    Raises
    ------
    BackendError
        If there is none.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to others unasked
    ray = load_for_cluster("ray")
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    handler = signal.getsignal(signal.SIGTERM)
    # A cluster for one run has nobody who looks at its dashboard, which takes long to start.
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except Exception as error:
        what = "Ray doesn't start here" if own else f"there is no Ray cluster at {address}"
        raise BackendError(
            f"{what} ({type(error).__name__}: {first_line(error)})",
            expected="a machine with time for it" if own else "the address of a head node",
            remedy="try again when less is going on, or look at Ray's logs"
            if own
            else "check that it runs and has the same versions of Ray and Python",
            settings=("ray",),
        ) from error
    try:
        signal.signal(signal.SIGTERM, handler)  # Ray's ends without clearing up
        yield
    finally:
        ray.shutdown()


@contextmanager
def _bar(songs: int) -> Iterator[Callable[[Throughput, int], None]]:
    """Give what shows totals, on a terminal only."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
    task = progress.add_task(f"{songs} songs", total=songs)

    def show(totals: Throughput, workers: int) -> None:
        text = f"{workers} workers, {totals.times_real_time:.1f} times real time"
        progress.update(task, completed=totals.done, description=text)

    with progress:
        yield show
