"""A live run from its options to its end: the layers joined."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from streamsep.audio.endpoint import LivePath
from streamsep.audio.file import FORMATS
from streamsep.audio.file_source import FileSource
from streamsep.audio.microphone import MicrophoneSource
from streamsep.cli.endpoints import (
    LoopbackDevices,
    is_file_name,
    loopback,
    open_clock,
    open_microphone,
    open_source,
)
from streamsep.cli.quiet import quiet_libraries
from streamsep.cli.recording import recorded_files, recording, refuse_overwriting
from streamsep.cli.repertoire import Repertoire
from streamsep.effects.key import KeyChanger
from streamsep.effects.plugins import BeatEffects, load_plugin
from streamsep.effects.voice import voice_board
from streamsep.events import EventLog
from streamsep.lyrics import load_lyrics
from streamsep.models import Model
from streamsep.priority import OTHERS, promoted
from streamsep.realtime import Session, SessionStats
from streamsep.realtime.desk import OWN_BUSES
from streamsep.realtime.session import Rig
from streamsep.realtime.spectrum import Spectrum
from streamsep.realtime.stats import to_db
from streamsep.separation import Separator, gains_for, load_separator
from streamsep.separation.processed import ProcessedSeparator, StemEffect
from streamsep.separation.sliding import SlidingSeparator
from streamsep.spec import SeparatorSpec
from streamsep.tui.app import Controls, choose_display
from streamsep.tui.prompter import Prompter


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What ``streamsep live`` was asked for; named as its options are, but for the models.

    The first of ``models`` is the one that is handed to `run_live`, or there are none.
    """

    models: tuple[Model, ...] = ()
    device: str = "auto"

    input_name: str = "mic"
    capture: str | None = None
    output_name: str = "speakers"
    record: Path | None = None
    record_stems: tuple[str, ...] = ("mix",)
    stem: str = "beat"
    mic: str | None = None
    voice_effects: str = "room"
    mic_effect: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()
    key: int | None = None  # semitones; None leaves out what could change it
    guide: float | None = None  # percent of the vocals to be heard
    beat_gain: float = 0.0  # dB
    mic_gain: float = 0.0  # dB
    master_gain: float = 0.0  # dB
    block: int = 512  # samples
    slack: int = 1024  # samples
    seconds: float | None = None
    lyrics: Path | None = None
    plain: bool = False
    as_json: bool = False

    @property
    def output_file(self) -> Path | None:
        """The file that ``output_name`` means, if it means one."""
        path = Path(self.output_name)
        return path if path.suffix.lower() in FORMATS else None


def run_live(separator: Separator, options: LiveOptions) -> SessionStats:
    """Do what the command does, and return the statistics of the whole session.

    Raises every StreamsepError that sound, files and model can give; recordings are finished
    in any case.
    """
    events = EventLog()
    with (
        promoted(OTHERS),
        quiet_libraries(),
        loopback(options.input_name, options.capture, separator.spec, events) as devices,
    ):
        return _run_live(separator, options, devices, events)


def _run_live(
    separator: Separator, options: LiveOptions, devices: LoopbackDevices | None, events: EventLog
) -> SessionStats:
    spec, block, output_file = separator.spec, options.block, options.output_file
    played = {output_file: "mix"} if output_file else {}
    recorded = recorded_files(options.record, options.record_stems) if options.record else {}
    inputs = [name for name in (options.input_name, options.mic) if name and is_file_name(name)]
    refuse_overwriting([*played, *recorded], [Path(name) for name in inputs])
    lyrics = load_lyrics(options.lyrics) if options.lyrics else None
    # One set for each model, all loaded before the music: VST3 plugins load on this thread only.
    plugins = {
        model: [load_plugin(wish) for wish in options.effect] for model in options.models or (None,)
    }
    rig = _rig(separator, options, options.key, next(iter(plugins.values())))
    _check_stems(options, separator, rig)
    gains = gains_for(options.stem, rig.separator.stems)
    output_name = "null" if output_file else options.output_name
    source = open_source(
        options.input_name, spec, block, devices, output=output_name, events=events
    )
    clock = open_clock(output_name, source, spec, block, devices, events=events)
    path = LivePath(source, clock, device_frames=block, channels=spec.channels)
    microphone = _open_microphone(options, spec, events)
    session = Session(
        rig.separator,
        device_frames=block,
        slack=rig.slack,
        gains=gains,
        microphone=microphone,
        key=rig.key,
        effects_delay=rig.effects_delay,
        device_in=path.device_in,
        device_out=path.device_out,
        events=events,
    )
    repertoire = Repertoire(
        options.models,
        lambda model: _rig(
            load_separator(model, device=options.device), options, session.key, plugins[model]
        ),
        events,
    )
    session.drift_ppm, session.device_latency = path.drift_ppm, path.device_latency
    _set_faders(session, options)
    records = recording(played | recorded, session, source, spec, block, to_stderr=options.as_json)
    with records as recorders, _listening(microphone), session, _stop() as stop:
        if microphone is not None:
            voice = microphone.latency + session.latency.device_out
            line = f"microphone: {session.latency.ms(voice):.0f} ms from voice to output"
            click.echo(line, err=options.as_json)
        from_file = isinstance(source, FileSource)
        controls = Controls(
            quit=stop.set,
            video=not from_file,
            microphone=microphone is not None,
            next_model=partial(repertoire.next, session) if repertoire.several else None,
            spectrum=_spectrum(session, rig.separator, block),
            prompter=Prompter(lyrics, from_start=from_file) if lyrics else None,
            recorded_s=lambda: recorders[-1].written / spec.sample_rate if recorders else None,
        )
        chosen = choose_display(session, controls, plain=options.plain, as_json=options.as_json)
        with chosen as display, _running(path, session, stop) as running:
            while not running.done():
                session.check()
                stats = display.update()
                if options.models:
                    repertoire.watch(stats)
                if options.seconds is not None and stats.seconds >= options.seconds:
                    stop.set()
                display.wait(running)
        session.check()
        return session.snapshot()


def _check_stems(options: LiveOptions, separator: Separator, rig: Rig) -> None:
    """Refuse stems that the model doesn't tell apart, or that effects make one of."""
    for name in {options.stem, *options.record_stems}.difference(OWN_BUSES):
        gains_for(name, separator.stems)
        if rig.separator is not separator and name not in ("beat", *rig.separator.stems):
            raise click.UsageError(
                f"--key and --effect leave no {name} apart, only "
                f"{' and '.join(rig.separator.stems)}; record or play these, or leave those out"
            )


def _spectrum(session: Session, separator: Separator, block: int) -> Spectrum | None:
    """Show the vocals, where there are any."""
    if "vocals" not in separator.stems:
        return None
    spec = separator.spec
    spectrum = Spectrum(spec.sample_rate, spec.channels, block)
    session.add_tap("vocals", spectrum)
    return spectrum


def _rig(
    separator: Separator, options: LiveOptions, semitones: int | None, plugins: Sequence[Any]
) -> Rig:
    """Put behind a separator what changes the song; without any of it nothing is added."""
    sizes = (separator.spec.sample_rate, separator.spec.channels, separator.block_size)
    effects: list[StemEffect] = [BeatEffects(plugins, *sizes)] if plugins else []
    key = None if semitones is None else KeyChanger(semitones, *sizes)
    if key is not None:
        effects.append(key)
    pace = separator.pace if isinstance(separator, SlidingSeparator) else None
    slack = max(options.slack, pace.slack if pace else 0)
    if effects:
        gains_for("vocals", separator.stems)
        separator = ProcessedSeparator(separator, effects)
    return Rig(separator, key, sum(effect.delay for effect in effects), slack)


def _open_microphone(
    options: LiveOptions, spec: SeparatorSpec, events: EventLog
) -> MicrophoneSource | None:
    if options.mic is None:
        return None
    more = [load_plugin(wish) for wish in options.mic_effect]
    effect = voice_board(options.voice_effects, spec.sample_rate, *more)
    delay = effect.settle(spec.channels, options.block) if effect and more else 0
    return open_microphone(
        options.mic, spec, options.block, effect, effect_delay=delay, events=events
    )


@contextmanager
def _listening(microphone: MicrophoneSource | None) -> Iterator[None]:
    """Have the microphone open; what went wrong with it is said at the end, not raised."""
    if microphone is None:
        yield
        return
    try:
        microphone.start()
        yield
    finally:
        microphone.close()
        if microphone.fault is not None:
            click.echo(f"microphone: silent since it failed ({microphone.fault})", err=True)


def _set_faders(session: Session, options: LiveOptions) -> None:
    if options.guide is not None:
        session.set_gain("guide", to_db(options.guide / 100.0))
    session.set_gain("beat", options.beat_gain)
    session.set_gain("mic", options.mic_gain)
    session.set_gain("master", options.master_gain)


@contextmanager
def _stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and a lost terminal set: everything is closed in order."""
    stop = threading.Event()

    def handler(signum: int, frame: FrameType | None) -> None:
        stop.set()

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # the last not on Windows
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
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
