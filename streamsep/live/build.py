"""From the configuration of a live run to its parts, joined and ready to start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streamsep.audio.devices.microphone import (
    DeviceMicrophone,
    MicrophoneSource,
    MicrophoneStream,
    role_name,
)
from streamsep.audio.devices.stream_watch import StreamWatch
from streamsep.audio.endpoint import DuplexPump, Sink, Source
from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.recorder import Recorder
from streamsep.audio.files.song_source import Song, SongSource
from streamsep.dsp.decibels import to_db
from streamsep.effects.effect_plugins import load_effect
from streamsep.effects.voice_chain import VoiceChain
from streamsep.events import EventLog
from streamsep.live.config import LOOPBACK, NO_LYRICS, LiveConfig, is_file_name
from streamsep.live.endpoints import (
    LoopbackDevices,
    loopback,
    microphone_streams,
    open_microphone,
    open_sink,
    open_source,
)
from streamsep.live.model_loader import ModelLoader
from streamsep.live.model_probe import RunModels, open_run_models
from streamsep.live.model_switcher import ModelSwitcher
from streamsep.live.prepared_stems import PreparedStems
from streamsep.live.prompter import Prompter
from streamsep.live.recording import recorded_files, recording, refuse_overwriting
from streamsep.live.singers_score import scoring
from streamsep.live.song_files import song_opener, songs_of
from streamsep.live.song_list import SongList
from streamsep.live.song_lyrics import SongLyrics
from streamsep.live.song_mover import SongMover
from streamsep.live.transport import Transport
from streamsep.lyrics import Lyrics, load_lyrics
from streamsep.onnx_file import read_metadata
from streamsep.realtime import LoadedModel, Session
from streamsep.realtime.guards import GuardWatch
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.realtime.microphone_lane import mic_name
from streamsep.realtime.spectrum import Spectrum
from streamsep.scoring import LiveScore
from streamsep.separation import Separator, gains_for
from streamsep.spec import SeparatorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParts:
    """What a live run is made of.

    Attributes
    ----------
    session
        Warmed up; ``pump`` calls it for every block.
    transport, mover
        Where the input is files: what moves within them and from one to the next, and its thread.
    switcher
        Knows the models.
    microphones
        Open ones, by their faders' names.
    recorders
        The last one is told of by screens.
    spectrum
        Tap on the vocals, where the model tells them apart.
    prompter
        Of the lyrics, if there are any.
    notices
        What of the files that are read isn't played as it is in them, so far.
    guards
        Tell what was silenced and turned down.
    score
        Of who sings along, if that was asked for.
    """

    session: Session
    pump: DuplexPump
    transport: Transport | None
    mover: SongMover | None
    switcher: ModelSwitcher
    microphones: Mapping[str, MicrophoneSource]
    voice_effects: list[VoiceChain]
    recorders: list[Recorder]
    spectrum: Spectrum | None
    prompter: Prompter | None
    notices: Callable[[], list[Notice]]
    guards: GuardWatch
    score: LiveScore | None


def build(config: LiveConfig, events: EventLog, stack: ExitStack) -> LiveParts:
    """Open and join all that ``config`` asks for; only the pump isn't running yet.

    Parameters
    ----------
    config
        What is asked for.
    events
        Where is said what the user should know of it.
    stack
        Closes what was opened. The source and the sink it closes only where this fails: a pump
        closes its own.

    Raises
    ------
    StreamsepError
        Every one that sound, files, effects and models can give.
    """
    songs = songs_of(config, events)
    files = _files_to_write(config, songs)
    lyrics = _named_lyrics(config, events)
    models = open_run_models(config)
    for model in models.models[1:]:
        if isinstance(model, Path):
            read_metadata(model)  # else a wrong name is found out in the middle of a song
    say = partial(_say_of, "the beat", events)
    played: list[SongSource] = []  # one at most, as soon as its model is known

    def prepared(separator: Separator) -> Separator:
        if config.listening != "file":
            return separator
        return PreparedStems(separator, lambda: played[0])

    loader = ModelLoader(config, {*models.models, *models.lighter.values()}, say, prepared)
    loaded = loader.load(models.models[0], config.key, models.separator)
    spec, block = loaded.separator.spec, config.block
    wanted = LOOPBACK if config.listening == "loopback" else ""
    devices = stack.enter_context(loopback(wanted, config.capture, spec, events))
    notices: list[Notice] = []
    stopping = threading.Event()
    open_song = song_opener(
        spec, config.sound_choice, partial(_note, notices, events), stopping.is_set
    )
    watch = stack.enter_context(StreamWatch(events))
    with ExitStack() as opened:
        if config.listening == "file":
            playable = SongList(songs, open_song, events)
            first = playable.open_first()
            if first is not None:
                opened.callback(first.close)
            played.append(SongSource(spec.sample_rate, spec.channels))
            source: Source = played[0]
        else:
            source = _open_device(config, spec, devices, events, watch)
        opened.callback(source.close)
        prompter = _prompter(config, lyrics, songs, events)
        sink = _open_sink(config, source, spec, devices, events)
        opened.callback(sink.close)
        pump = DuplexPump(source, sink, device_frames=block, channels=spec.channels)
        streams = microphone_streams(
            config.microphones,
            spec,
            block,
            output="null" if config.output_file else config.output,
            devices=devices,
            events=events,
            watch=watch,
        )
        microphones, voice_effects = _open_microphones(
            config, stack.enter_context(streams), spec, events
        )
        session = _session(config, loaded, pump, microphones, events)
        records = recording(files, session, source, spec, block, overwrite=config.overwrite)
        recorders = stack.enter_context(records)
        score = None
        if config.score:
            score = stack.enter_context(
                scoring(loaded.separator, session, microphones, prompter, block)
            )
        for index, microphone in enumerate(microphones.values()):
            stack.enter_context(_listening(role_name(index), microphone, events))
        stack.enter_context(session)
        if config.tune_process:
            stack.enter_context(low_latency_interpreter())
        opened.pop_all()
    sung = [file for file in microphones.values() if isinstance(file, FileSource)]
    transport, mover = None, None
    if played:
        stays, names = not config.inputs, models.separator.stems
        mover = SongMover(
            session, played[0], playable, first, open_song, stays=stays, events=events
        )
        transport = Transport(mover, session, played[0], playable, stems=names, stays=stays)
        stack.callback(mover.close)
        stack.callback(stopping.set)
    parts = LiveParts(
        session=session,
        pump=pump,
        transport=transport,
        mover=mover,
        switcher=ModelSwitcher(
            models.models,
            lambda model: loader.load(model, session.key),
            events,
            lighter=models.lighter,
        ),
        microphones=microphones,
        voice_effects=voice_effects,
        recorders=recorders,
        spectrum=_spectrum(session, loaded.separator, block),
        prompter=prompter,
        notices=lambda: notices + [notice for file in sung for notice in file.notices.all],
        guards=_guards(session, source, _streams_of(microphones), block, events),
        score=score,
    )
    for device in dict.fromkeys((source, *_streams_of(microphones), sink)):
        if in_use := getattr(device, "in_use", ""):
            events.add(in_use, kind="report")
    _report(parts, models, events)
    return parts


def _named_lyrics(config: LiveConfig, events: EventLog) -> Lyrics | None:
    if config.lyrics is None or config.lyrics == NO_LYRICS:
        return None
    say = partial(events.add, kind="warning", settings=("lyrics_encoding",))
    return load_lyrics(config.lyrics, encoding=config.lyrics_encoding, say=say)


def _prompter(
    config: LiveConfig, named: Lyrics | None, songs: list[Song], events: EventLog
) -> Prompter | None:
    """Return what shows lyrics, those that were named or those of songs; None without any."""
    from_files = config.listening == "file"
    if named is not None:
        return Prompter(named, from_start=from_files)
    if config.lyrics == NO_LYRICS or not from_files:
        return None
    lyrics_of = SongLyrics(config.lyrics_encoding, events)
    if len(songs) == 1 and lyrics_of(songs[0].path) is None:
        return None
    return Prompter(lyrics_of, from_start=True)


def _note(notices: list[Notice], events: EventLog, notice: Notice) -> None:
    """Say at once what of a song isn't played as it is in its file, and once only."""
    if notice not in notices:
        notices.append(notice)
        events.add(str(notice))


def _files_to_write(config: LiveConfig, songs: list[Song]) -> dict[Path, str]:
    """Return what is to be written, each file with its bus; none of it is what is played."""
    played = {config.output_file: "mix"} if config.output_file else {}
    recorded = recorded_files(config.record, config.record_stems) if config.record else {}
    names = [choice.device for choice in config.microphones]
    inputs = [song.path for song in songs] + [Path(name) for name in names if is_file_name(name)]
    refuse_overwriting([*played, *recorded], inputs)
    return played | recorded


def _open_device(
    config: LiveConfig,
    spec: SeparatorSpec,
    devices: LoopbackDevices | None,
    events: EventLog,
    watch: StreamWatch,
) -> Source:
    output, name = _output(config), config.inputs[0]
    return open_source(name, spec, config.block, devices, output=output, events=events, watch=watch)


def _open_sink(
    config: LiveConfig,
    source: Source,
    spec: SeparatorSpec,
    devices: LoopbackDevices | None,
    events: EventLog,
) -> Sink:
    return open_sink(_output(config), source, spec, config.block, devices, events=events)


def _output(config: LiveConfig) -> str:
    """Return the output's name; a file as output is written beside the music."""
    return "null" if config.output_file else config.output


def _session(
    config: LiveConfig,
    loaded: LoadedModel,
    pump: DuplexPump,
    microphones: Mapping[str, MicrophoneSource],
    events: EventLog,
) -> Session:
    session = Session(
        loaded.separator,
        device_frames=config.block,
        slack=loaded.slack,
        gains=gains_for(config.stem, loaded.separator.stems),
        microphones=list(microphones.values()),
        key=loaded.key,
        effects_delay=loaded.effects_delay,
        device_in=pump.device_in,
        device_out=pump.device_out,
        events=events,
    )
    session.drift_ppm, session.device_latency = pump.drift_ppm, pump.device_latency
    if config.guide is not None:
        session.set_gain("guide", to_db(config.guide / 100.0))
    for fader in ("beat", "master"):
        session.set_gain(fader, getattr(config, f"{fader}_gain"))
    for name, choice in zip(microphones, config.microphones, strict=True):
        session.set_gain(name, choice.gain_db)
    return session


def _open_microphones(
    config: LiveConfig,
    streams: Mapping[str, MicrophoneStream],
    spec: SeparatorSpec,
    events: EventLog,
) -> tuple[dict[str, MicrophoneSource], list[VoiceChain]]:
    """Open the microphones, by their faders' names, and return their effects too."""
    found: dict[str, MicrophoneSource] = {}
    effects: list[VoiceChain] = []
    for index, choice in enumerate(config.microphones):
        more = [load_effect(wish) for wish in config.mic_effect]
        say = partial(_say_of, role_name(index), events)
        effect = VoiceChain(choice.voice_effects, spec.sample_rate, *more, say=say)
        delay = effect.settle(spec.channels, config.block)
        effects.append(effect)
        found[mic_name(index)] = open_microphone(
            choice, streams, spec, effect, effect_delay=delay, events=events
        )
    return found, effects


def _streams_of(microphones: Mapping[str, MicrophoneSource]) -> list[MicrophoneStream]:
    """Return the devices' streams that microphones are on, each once."""
    streams = [m.stream for m in microphones.values() if isinstance(m, DeviceMicrophone)]
    return list(dict.fromkeys(streams))


def _say_of(whose: str, events: EventLog, text: str) -> None:
    events.add(f"{whose}: {text}")


def _guards(
    session: Session,
    source: Source,
    streams: Sequence[MicrophoneStream],
    block: int,
    events: EventLog,
) -> GuardWatch:
    devices: dict[str, Sequence[object]] = {"input": [source], "microphone": streams}
    # Of files their readers tell.
    session.device_bad_samples = lambda name: sum(
        getattr(device, "bad_samples", 0) for device in devices.get(name, ())
    )
    block_s = block / session.latency.sample_rate
    return GuardWatch(lambda: session.bad_samples, session.limiter, block_s, events)


@contextmanager
def _listening(role: str, microphone: MicrophoneSource, events: EventLog) -> Iterator[None]:
    """Have a microphone open; what went wrong with it is said at the end, not raised."""
    try:
        microphone.start()
        yield
    finally:
        microphone.close()
        if microphone.fault is not None:
            line = f"{role}: silent since it failed ({microphone.fault})"
            events.add(line, kind="warning")


def _spectrum(session: Session, separator: Separator, block: int) -> Spectrum | None:
    """Show the vocals, where there are any."""
    if "vocals" not in separator.stems:
        return None
    spectrum = Spectrum(separator.spec.sample_rate, separator.spec.channels, block)
    session.add_tap("vocals", spectrum)
    return spectrum


def _report(parts: LiveParts, models: RunModels, events: EventLog) -> None:
    """Say what is known of the run before its first sound."""
    if models.choice is not None:
        events.add(str(models.choice), kind="report")
    elif schedule := getattr(models.separator, "schedule", None):
        events.add(f"{models.separator.spec.name} {schedule}", kind="report")
    for index, microphone in enumerate(parts.microphones.values()):
        latency = parts.session.latency
        voice = microphone.latency + latency.device_out
        line = f"{role_name(index)}: {latency.ms(voice):.0f} ms from voice to output"
        events.add(line, kind="report")
