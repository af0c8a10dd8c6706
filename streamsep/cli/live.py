"""``streamsep live``: the separator against the clock."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from streamsep.audio.device import DeviceInput, DeviceOutput, find_device
from streamsep.audio.endpoint import Clock, LivePath, Source, TimerClock
from streamsep.audio.file import FORMATS, FileSource
from streamsep.audio.recorder import Recorder
from streamsep.cli.options import device_option, model_option
from streamsep.errors import StreamsepError
from streamsep.priority import OTHERS, promoted
from streamsep.realtime import Session, SessionStats
from streamsep.separation import Separator, gains_for, load_separator
from streamsep.spec import ModelSpec
from streamsep.tui.app import StatusDisplay


@click.command()
@click.option("--input", "input_name", default="mic", show_default=True, metavar="DEVICE|FILE",
              help="What to listen to: a device by name or number, 'mic', or a sound file.")
@click.option("--output", "output_name", default="speakers", show_default=True,
              metavar="DEVICE|FILE|null",
              help="Where it goes: a device, 'speakers', a sound file, or nowhere.")
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE",
              help="Also record what is played (.wav, .flac, .ogg, .mp3).")
@click.option("--stem", type=click.Choice(["beat", "vocals"]), default="beat", show_default=True,
              help="What to play.")
@model_option
@device_option
@click.option("--block", type=click.IntRange(32, 8192), default=512, show_default=True,
              metavar="SAMPLES", help="Device block; smaller is sooner, larger is safer.")
@click.option("--slack", type=click.IntRange(0, 44_100), default=1024, show_default=True,
              metavar="SAMPLES", help="Time that inference may be late; adds to the latency.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Stop after S seconds.  [default: at the file's end or Ctrl-C]")
def command(
    input_name: str, output_name: str, record: Path | None, stem: str, model: Path,
    device: str, block: int, slack: int, seconds: float | None,
) -> None:  # fmt: skip
    """Take the voice out of what plays now, and play the rest.

    End it with Ctrl-C; a recording is finished and plays. With a file as input and a file as
    output the two line up to the sample.
    """
    run_live(
        load_separator(model, device=device),
        input_name=input_name, output_name=output_name, record=record, stem=stem, block=block,
        slack=slack, seconds=seconds,
    )  # fmt: skip


def run_live(
    separator: Separator, *, input_name: str, output_name: str, record: Path | None = None,
    stem: str = "beat", block: int = 512, slack: int = 1024, seconds: float | None = None,
) -> SessionStats:  # fmt: skip
    """Do what the command does, and return the statistics of the whole session.

    Parameters are the command's options. Raises every StreamsepError that sound, files and
    model can give; recordings are finished in any case.
    """
    with promoted(OTHERS):
        return _run_live(separator, input_name, output_name, record, stem, block, slack, seconds)


def _run_live(
    separator: Separator, input_name: str, output_name: str, record: Path | None, stem: str,
    block: int, slack: int, seconds: float | None,
) -> SessionStats:  # fmt: skip
    spec, gains = separator.spec, gains_for(stem, separator.stems)
    to_file = Path(output_name).suffix.lower() in FORMATS
    source = _open_source(input_name, spec, block)
    clock = _open_clock("null" if to_file else output_name, source, spec, block)
    path = LivePath(source, clock, device_frames=block, channels=spec.channels)
    session = Session(
        separator, device_frames=block, slack=slack, gains=gains,
        device_in=path.device_in, device_out=path.device_out,
    )  # fmt: skip
    files = [Path(output_name)] if to_file else []
    files += [record] if record else []
    with _recording(files, session, source, spec, block) as recorders, session, _stop() as stop:
        session.taps = tuple(recorders)
        with StatusDisplay(session) as display, _running(path, session, stop) as running:
            while not running.done():
                session.check()
                display.update()
                if seconds is not None and display.seconds >= seconds:
                    stop.set()
                wait([running], timeout=display.period_s)
        session.check()
        return session.snapshot()


def _open_source(name: str, spec: ModelSpec, block: int) -> Source:
    looks_like_a_file = Path(name).suffix.lower() in FORMATS or "/" in name
    if looks_like_a_file or Path(name).is_file():
        return FileSource(Path(name), sample_rate=spec.sample_rate, channels=spec.channels)
    return DeviceInput(
        find_device(name, "input"), sample_rate=spec.sample_rate, channels=spec.channels,
        device_frames=block,
    )  # fmt: skip


def _open_clock(name: str, source: Source, spec: ModelSpec, block: int) -> Clock:
    if name != "null":
        return DeviceOutput(
            find_device(name, "output"), sample_rate=spec.sample_rate, channels=spec.channels,
            device_frames=block,
        )  # fmt: skip
    if isinstance(source, DeviceInput):
        return source  # one clock is better than two
    return TimerClock(spec.sample_rate, block, spec.channels)


@contextmanager
def _recording(
    files: list[Path], session: Session, source: Source, spec: ModelSpec, block: int
) -> Iterator[list[Recorder]]:
    """Open the recorders and finish their files whatever happens in between.

    A recording that ended early didn't stop the music; its error is raised here, at the end.
    """

    def limit() -> int | None:
        return source.samples if isinstance(source, FileSource) and source.finished else None

    recorders: list[Recorder] = []
    try:
        for path in files:
            recorder = Recorder(
                path, spec.sample_rate, spec.channels, block_size=block,
                skip=session.latency.session, limit=limit,
            )  # fmt: skip
            recorders.append(recorder)
        yield recorders
    finally:
        faults = [fault for recorder in recorders if (fault := _finish(recorder, spec))]
    if faults:
        raise faults[0]


def _finish(recorder: Recorder, spec: ModelSpec) -> StreamsepError | None:
    """Close a recorder, say what is in its file, and return why it isn't all."""
    recorder.close()
    if not recorder.written:
        recorder.path.unlink(missing_ok=True)  # a file without a sample is no recording
        click.echo(f"{recorder.path}: nothing recorded")
        return recorder.fault
    seconds, lost = recorder.written / spec.sample_rate, recorder.lost / spec.sample_rate
    note = f", {lost:.2f} s lost to a slow disk" if lost else ""
    click.echo(f"{recorder.path}: {seconds:.2f} s recorded{note}")
    return recorder.fault


@contextmanager
def _stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that everything is closed in order."""
    stop = threading.Event()

    def handler(signum: int, frame: FrameType | None) -> None:
        stop.set()

    before = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        stop.set()
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _running(path: LivePath, session: Session, stop: threading.Event) -> Iterator[Future[None]]:
    """Run the path on a thread of its own, and end it; its error is raised here."""
    running: Future[None] = Future()

    def run() -> None:
        try:
            path.run(session.process_block, stop, tail=session.latency.session)
        except BaseException as error:  # handed to the main thread by the future
            running.set_exception(error)
        else:
            running.set_result(None)

    thread = threading.Thread(target=run, name="streamsep-endpoint", daemon=True)
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join()
    running.result()
