"""What a live run is asked to do, and the defaults: the one place that has them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsep.audio.files.playlist import is_playlist
from streamsep.audio.files.sound_choice import BOTH, WHOLE, SoundChoice
from streamsep.audio.files.sound_writer import FORMATS
from streamsep.dsp.decibels import HIGHEST_GAIN_DB
from streamsep.dsp.voice_channel import AUTO as AUTO_CHANNEL
from streamsep.dsp.voice_channel import channel_number
from streamsep.effects.key import HIGHEST, LOWEST
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.errors import ArgumentError
from streamsep.live.microphone_choice import MicrophoneChoice, choose_microphones
from streamsep.live.model_choice import Listening
from streamsep.models import FoundModel
from streamsep.models.quality import AUTO, place_of_auto
from streamsep.realtime.latency import DEFAULT_SLACK
from streamsep.realtime.microphone_lane import mic_number

NO_LYRICS = Path("none")
LOOPBACK = "loopback"  # the input that is what other programs play
# The lowest and the highest that a setting may be.
BLOCK_RANGE = (32, 8_192)
SLACK_RANGE = (0, 44_100)
GUIDE_RANGE = (0, 100)
GAIN_RANGE = (-math.inf, HIGHEST_GAIN_DB)
RANGES: dict[str, tuple[float, float]] = {
    "block": BLOCK_RANGE,
    "slack": SLACK_RANGE,
    "key": (LOWEST, HIGHEST),
    "guide": GUIDE_RANGE,
    "beat_gain": GAIN_RANGE,
    "mic_gain": GAIN_RANGE,
    "master_gain": GAIN_RANGE,
}


def is_file_name(name: str) -> bool:
    """Say whether ``name`` means a sound file or a playlist, there or not, and no device."""
    known = Path(name).suffix.lower() in FORMATS or is_playlist(name)
    there = os.path.exists(name) and not os.path.isdir(name)  # a FIFO may be called anything
    return name == "-" or known or "/" in name or there


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """What a `LivePlayer` plays, and how; named as the options of ``streamsep live`` are.

    Attributes
    ----------
    input
        A device by name or number, ``mic`` for the system's default, ``loopback`` for what other
        programs play, or a sound file or a playlist. Several files play one after the other; with
        none, ``()``, there is silence until `LivePlayer.play` brings a song, and between songs.
    track, channel
        Of input files: which of their tracks of sound, by number, language or title, and whether
        their ``left`` or ``right`` side alone, as of karaoke discs.
    capture
        With ``loopback``: the running player that is moved there, by name, program or number.
    output
        A device by name or number, ``speakers``, a sound file, or ``null`` for nowhere.
    record
        A sound file to record to besides.
    record_stems
        What to record: ``mix``, ``mic``, ``mic2``, ``beat`` or stems of the model, each but the
        mix in a file of its own, FILE.NAME.suffix.
    overwrite
        Whether recordings replace older ones of their name; else they get a number.
    stem
        What to play; ``beat``, with the names ``accompaniment`` and ``instrumental`` too, is all
        but the vocals.
    guide
        Percent of the vocals to be heard with the beat; None for what the stem says.
    key
        Semitones by which the song is moved; None leaves out what could change it.
    mic
        A microphone to sing along, as ``input``, or several; each may end in ``:left``,
        ``:right`` or another of its channels: two voices of one device are opened once.
    voice_effects
        What all their voices get, or each one's.
    mic_channel
        Which channel the voice is on where ``mic`` doesn't say: ``auto`` for all that hold sound,
        ``mix``, ``left``, ``right`` or a number; of a file ``auto`` leaves both as they are.
    effect, mic_effect
        Plugins on the beat and on the microphone.
    beat_gain, mic_gain, master_gain
        In dB; of microphones one for all or one each.
    model
        A built-in or imported model's name, a file, or several of these to change between;
        ``auto`` chooses a built-in one by the input and the machine.
    low_latency
        Whether that choice is to be the one that answers soonest.
    device
        Where the model runs: ``auto``, ``cuda`` or ``cpu``.
    block, slack
        Samples of a device block, and those that inference may be late.
    seconds
        Length after which it ends; None for the file's end, or never.
    score
        Whether to compare who sings along with the vocals.
    lyrics
        A file of them, LRC or UltraStar, for the prompter; `NO_LYRICS` for none. None for those
        that go with an input file, see `streamsep.lyrics.find_lyrics`.
    lyrics_encoding
        Of their text, by a name that Python knows; None to find it out.
    tune_process
        Whether the process is there for the music: Python's thread switch interval, its garbage
        collector and the priority of the thread that starts it are set for that, until it is
        closed, which has to be on the same thread.

    Raises
    ------
    ArgumentError
        If a value is out of its range, or two don't go together.
    """

    input: str | tuple[str, ...] = "mic"
    track: str | None = None
    channel: str = BOTH
    capture: str | None = None
    output: str = "speakers"
    record: Path | None = None
    record_stems: tuple[str, ...] = ("mix",)
    overwrite: bool = False
    stem: str = "beat"
    guide: float | None = None
    key: int | None = None
    mic: str | tuple[str, ...] | None = None
    mic_channel: str = AUTO_CHANNEL
    voice_effects: str | tuple[str, ...] = "room"
    effect: tuple[str, ...] = ()
    mic_effect: tuple[str, ...] = ()
    beat_gain: float = 0.0
    mic_gain: float | tuple[float, ...] = 0.0
    master_gain: float = 0.0
    model: str | FoundModel | tuple[str | FoundModel, ...] = AUTO
    low_latency: bool = False
    device: str = "auto"
    block: int = 512
    slack: int = DEFAULT_SLACK
    seconds: float | None = None
    score: bool = False
    lyrics: Path | None = None
    lyrics_encoding: str | None = None
    tune_process: bool = False

    def __post_init__(self) -> None:
        """Take paths for names and names for paths, and refuse what can't be."""
        if isinstance(self.track, int):
            object.__setattr__(self, "track", str(self.track))
        for name in ("output", "mic"):
            if isinstance(getattr(self, name), Path):
                object.__setattr__(self, name, str(getattr(self, name)))
        given = self.input
        several = given if isinstance(given, list | tuple) else (given,)
        names = tuple(str(name) for name in several)
        object.__setattr__(self, "input", names[0] if len(names) == 1 else names)
        if len(names) > 1 and (devices := [n for n in names if not is_file_name(n)]):
            raise ArgumentError(
                f"{devices[0]!r} can't be one of several inputs",
                expected="sound files, or one device",
                remedy="leave the others out, or give the path of a file as ./NAME",
                settings=("input",),
            )
        if isinstance(self.mic, list | tuple):
            object.__setattr__(self, "mic", tuple(map(str, self.mic)) or None)
        for name in ("mic", "mic_gain", "voice_effects"):  # one for all is no list
            if len(_each(getattr(self, name))) == 1:
                object.__setattr__(self, name, _each(getattr(self, name))[0])
        for name in ("record", "lyrics"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        for name, (low, high) in RANGES.items():
            for value in _each(getattr(self, name)):
                if value is not None and not low <= value <= high:
                    raise ArgumentError(
                        f"{name} is {value}",
                        expected=f"{low:g} to {high:g}",
                        remedy="choose a value in this range",
                        settings=(name,),
                    )
        self._check_together()

    def _check_together(self) -> None:
        if self.low_latency and place_of_auto(self.named_models) is None:
            raise ArgumentError(
                "the model is named, and is to be chosen for low latency",
                expected=f"one of both, or the model {AUTO}",
                remedy="leave one of them out",
                settings=("model", "low_latency"),
            )
        if self.seconds is not None and not self.seconds > 0.0:
            raise ArgumentError(
                f"a length of {self.seconds} s can't be played",
                expected="more than none",
                remedy="give it in seconds, or leave it out",
                settings=("seconds",),
            )
        for effects in _each(self.voice_effects):
            if effects not in VOICE_EFFECTS:
                raise ArgumentError(
                    f"no voice effects are called {effects!r}",
                    expected=", ".join(VOICE_EFFECTS),
                    remedy="choose one of these",
                    settings=("voice_effects",),
                )
        try:
            channel_number(self.mic_channel)
        except ValueError as error:
            raise ArgumentError(
                f"no channel of a microphone is called {self.mic_channel!r}",
                expected="auto, mix, left, right, or a number from 1",
                remedy="choose one of these",
                settings=("mic_channel",),
            ) from error
        if self.capture is not None and self.input != LOOPBACK:
            raise ArgumentError(
                f"{self.capture!r} can't be captured for the input {self.input!r}",
                expected=f"the input {LOOPBACK}",
                remedy="choose that, or capture nothing",
                settings=("input", "capture"),
            )
        chosen = [n for n in ("track", "channel") if getattr(self, n) not in (None, BOTH)]
        if self.sound_choice != WHOLE and self.listening != "file":
            raise ArgumentError(
                f"the input {self.input!r} has no tracks or sides to choose from",
                expected="a file as input",
                remedy="name one, or leave that out",
                settings=("input", *chosen),
            )
        there = len(self.microphones)  # which raises what is wrong with them
        sung = [n for n in ("record_stems", "mic_effect", "score") if self._voices(n) > there]
        if sung:
            raise ArgumentError(
                "there is no microphone to record, to send through effects or to score",
                expected="one" if there == 0 else f"one of {there}",
                remedy="name it, or leave that out",
                settings=("mic", *sung),
            )

    def _voices(self, name: str) -> int:
        """Return how many microphones a setting asks for."""
        if name == "record_stems":
            return max((mic_number(stem) or 0 for stem in self.record_stems), default=0)
        return int(bool(getattr(self, name)))

    @property
    def microphones(self) -> tuple[MicrophoneChoice, ...]:
        """Those of ``mic``, with what each one's voice gets."""
        if self.mic is None:
            return ()
        return choose_microphones(
            _each(self.mic), self.mic_channel, _each(self.mic_gain), _each(self.voice_effects)
        )

    @property
    def named_models(self) -> tuple[str | FoundModel, ...]:
        """What ``model`` holds, one by one; the first one plays."""
        return self.model if isinstance(self.model, tuple) else (self.model,)

    @property
    def sound_choice(self) -> SoundChoice:
        """Of ``track`` and ``channel``."""
        return SoundChoice(self.track, self.channel)

    @property
    def listening(self) -> Listening:
        """What kind of input it is."""
        if all(map(is_file_name, self.inputs)):
            return "file"
        return "loopback" if self.input == LOOPBACK else "mic"

    @property
    def inputs(self) -> tuple[str, ...]:
        """What ``input`` holds, one by one; several are files."""
        return self.input if isinstance(self.input, tuple) else (self.input,)

    @property
    def output_file(self) -> Path | None:
        """The file that ``output`` means, if it means one."""
        path = Path(self.output)
        return path if path.suffix.lower() in FORMATS else None
