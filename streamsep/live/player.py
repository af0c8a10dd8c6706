"""A live run from its configuration to its end: the layers joined."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from streamsep.audio.devices.microphone import MicrophoneSource
from streamsep.audio.endpoint import DuplexPump
from streamsep.audio.files.file_source import FileSource
from streamsep.dsp.decibels import to_db
from streamsep.effects.effect_plugins import BeatEffects, load_effect
from streamsep.effects.key import KeyChanger
from streamsep.effects.voice import voice_board
from streamsep.events import EventLog
from streamsep.live.config import LiveConfig
from streamsep.live.endpoints import (
    LoopbackDevices,
    is_file_name,
    loopback,
    open_microphone,
    open_sink,
    open_source,
)
from streamsep.live.model_switcher import ModelSwitcher
from streamsep.live.prompter import Prompter
from streamsep.live.recording import recorded_files, recording, refuse_overwriting
from streamsep.lyrics import load_lyrics
from streamsep.priority import OTHERS, promoted
from streamsep.realtime import LoadedModel, Session, SessionStats
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.realtime.mix_bus import OWN_BUSES
from streamsep.realtime.spectrum import Spectrum
from streamsep.separation import Separator, gains_for, load_separator
from streamsep.separation.with_effects import SeparatorWithEffects, StemEffect
from streamsep.spec import SeparatorSpec
from streamsep.tui.display import Controls, choose_display


def run_live(separator: Separator, config: LiveConfig) -> SessionStats:
    """Do what the command does, and return the statistics of the whole session.

    Raises every StreamsepError that sound, files and model can give; recordings are finished
    in any case.
    """
    events = EventLog()
    with (
        promoted(OTHERS),
        low_latency_interpreter(),
        loopback(config.input_name, config.capture, separator.spec, events) as devices,
    ):
        return _run_live(separator, config, devices, events)


def _run_live(
    separator: Separator, config: LiveConfig, devices: LoopbackDevices | None, events: EventLog
) -> SessionStats:
    spec, block, output_file = separator.spec, config.block, config.output_file
    played = {output_file: "mix"} if output_file else {}
    recorded = recorded_files(config.record, config.record_stems) if config.record else {}
    inputs = [name for name in (config.input_name, config.mic) if name and is_file_name(name)]
    refuse_overwriting([*played, *recorded], [Path(name) for name in inputs])
    lyrics = load_lyrics(config.lyrics) if config.lyrics else None
    # One set for each model, all loaded before the music: VST3 plugins load on this thread only.
    plugins = {
        model: [load_effect(wish) for wish in config.effect] for model in config.models or (None,)
    }
    loaded = _loaded_model(separator, config, config.key, next(iter(plugins.values())))
    _check_stems(config, separator, loaded)
    gains = gains_for(config.stem, loaded.separator.stems)
    output_name = "null" if output_file else config.output_name
    source = open_source(config.input_name, spec, block, devices, output=output_name, events=events)
    sink = open_sink(output_name, source, spec, block, devices, events=events)
    pump = DuplexPump(source, sink, device_frames=block, channels=spec.channels)
    microphone = _open_microphone(config, spec, events)
    session = Session(
        loaded.separator,
        device_frames=block,
        slack=loaded.slack,
        gains=gains,
        microphone=microphone,
        key=loaded.key,
        effects_delay=loaded.effects_delay,
        device_in=pump.device_in,
        device_out=pump.device_out,
        events=events,
    )
    switcher = ModelSwitcher(
        config.models,
        lambda model: _loaded_model(
            load_separator(model, device=config.device), config, session.key, plugins[model]
        ),
        events,
    )
    session.drift_ppm, session.device_latency = pump.drift_ppm, pump.device_latency
    _set_faders(session, config)
    records = recording(played | recorded, session, source, spec, block, to_stderr=config.as_json)
    with records as recorders, _listening(microphone), session, _stop() as stop:
        if microphone is not None:
            voice = microphone.latency + session.latency.device_out
            line = f"microphone: {session.latency.ms(voice):.0f} ms from voice to output"
            click.echo(line, err=config.as_json)
        from_file = isinstance(source, FileSource)
        controls = Controls(
            quit=stop.set,
            video=not from_file,
            microphone=microphone is not None,
            next_model=partial(switcher.next, session) if switcher.several else None,
            spectrum=_spectrum(session, loaded.separator, block),
            prompter=Prompter(lyrics, from_start=from_file) if lyrics else None,
            recorded_s=lambda: recorders[-1].written / spec.sample_rate if recorders else None,
        )
        chosen = choose_display(session, controls, plain=config.plain, as_json=config.as_json)
        with chosen as display, _running(pump, session, stop) as running:
            while not running.done():
                session.check()
                stats = display.update()
                if config.models:
                    switcher.watch(stats)
                if config.seconds is not None and stats.seconds >= config.seconds:
                    stop.set()
                display.wait(running)
        session.check()
        return session.snapshot()


def _check_stems(config: LiveConfig, separator: Separator, loaded: LoadedModel) -> None:
    """Refuse stems that the model doesn't tell apart, or that effects make one of."""
    for name in {config.stem, *config.record_stems}.difference(OWN_BUSES):
        gains_for(name, separator.stems)
        if loaded.separator is not separator and name not in ("beat", *loaded.separator.stems):
            raise click.UsageError(
                f"--key and --effect leave no {name} apart, only "
                f"{' and '.join(loaded.separator.stems)}; record or play these, or leave those out"
            )


def _spectrum(session: Session, separator: Separator, block: int) -> Spectrum | None:
    """Show the vocals, where there are any."""
    if "vocals" not in separator.stems:
        return None
    spec = separator.spec
    spectrum = Spectrum(spec.sample_rate, spec.channels, block)
    session.add_tap("vocals", spectrum)
    return spectrum


def _loaded_model(
    separator: Separator, config: LiveConfig, semitones: int | None, plugins: Sequence[Any]
) -> LoadedModel:
    """Put behind a separator what changes the song; without any of it nothing is added."""
    sizes = (separator.spec.sample_rate, separator.spec.channels, separator.block_size)
    effects: list[StemEffect] = [BeatEffects(plugins, *sizes)] if plugins else []
    key = None if semitones is None else KeyChanger(semitones, *sizes)
    if key is not None:
        effects.append(key)
    slack = max(config.slack, separator.slack)
    if effects:
        gains_for("vocals", separator.stems)
        separator = SeparatorWithEffects(separator, effects)
    return LoadedModel(separator, key, sum(effect.delay for effect in effects), slack)


def _open_microphone(
    config: LiveConfig, spec: SeparatorSpec, events: EventLog
) -> MicrophoneSource | None:
    if config.mic is None:
        return None
    more = [load_effect(wish) for wish in config.mic_effect]
    effect = voice_board(config.voice_effects, spec.sample_rate, *more)
    delay = effect.settle(spec.channels, config.block) if effect and more else 0
    return open_microphone(
        config.mic, spec, config.block, effect, effect_delay=delay, events=events
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


def _set_faders(session: Session, config: LiveConfig) -> None:
    if config.guide is not None:
        session.set_gain("guide", to_db(config.guide / 100.0))
    session.set_gain("beat", config.beat_gain)
    session.set_gain("mic", config.mic_gain)
    session.set_gain("master", config.master_gain)


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
def _running(pump: DuplexPump, session: Session, stop: threading.Event) -> Iterator[Future[None]]:
    """Run the pump on a thread of its own, and end it; its error is raised here."""
    running: Future[None] = Future()

    def run() -> None:
        try:
            pump.run(session.process_block, stop, tail=session.latency.session)
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
