"""``streamsep live``: the separator against the clock."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from streamsep.cli.echo import echo
from streamsep.cli.lasting_output import never_wait_for_readers
from streamsep.cli.names import Names
from streamsep.cli.number_types import Decibels, Finite
from streamsep.cli.options import (
    channel_option,
    device_option,
    mic_gain_option,
    models_option,
    track_option,
    with_options,
)
from streamsep.cli.profiles import profile_option
from streamsep.effects.key import HIGHEST, LOWEST
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.errors import LossError
from streamsep.events import Event, EventLog
from streamsep.live.config import BLOCK_RANGE, GUIDE_RANGE, LOOPBACK, SLACK_RANGE, LiveConfig
from streamsep.live.player import LivePlayer
from streamsep.live.singers_score import score_line
from streamsep.models import FoundModel
from streamsep.models.quality import place_of_auto
from streamsep.tui.display import choose_display

DEFAULTS = LiveConfig()


@click.command()
@profile_option
@click.option(
    "--input",
    default=DEFAULTS.inputs,
    multiple=True,
    callback=lambda context, option, given: given[0] if len(given) == 1 else given,
    show_default=True,
    metavar="DEVICE|loopback|FILE",
    help="What to listen to: a device by name or number, 'mic', 'loopback' for what "
    "other programs play, a sound file, '-' for standard input, or a playlist (.m3u, .m3u8, .pls). "
    "Files play one after the other where it is given again.",
)
@track_option
@channel_option
@click.option(
    "--capture",
    metavar="APP",
    help="With --input loopback: move this running player to it, by name, program or "
    "process number; it goes back at the end.",
)
@click.option(
    "--output",
    default=DEFAULTS.output,
    show_default=True,
    metavar="DEVICE|FILE|null",
    help="Where it goes: a device, 'speakers', a sound file, or nowhere.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also record what is played (.wav, .flac, .ogg, .mp3).",
)
@click.option(
    "--record-stems",
    type=Names(),
    default=",".join(DEFAULTS.record_stems),
    show_default=True,
    metavar="NAME,…",
    help="What to record, of beat, mic, mix and the model's stems (such as vocals): each "
    "but the mix in a file of its own, FILE.NAME.suffix, aligned to the sample.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Let recordings replace older ones of their name, when something was recorded; else they "
    "get a number.",
)
@click.option(
    "--stem",
    default=DEFAULTS.stem,
    show_default=True,
    metavar="NAME",
    help="What to play: beat, which is all but the vocals, or one of the model's stems.",
)
@click.option(
    "--guide",
    type=Finite(*GUIDE_RANGE),
    metavar="PERCENT",
    help="Let so much of the vocals be heard with the beat.  [default: 0]",
)
@click.option(
    "--key",
    type=click.IntRange(LOWEST, HIGHEST),
    metavar="SEMITONES",
    help=f"Play the song so much higher or lower ({LOWEST} to {HIGHEST}), 60 ms later; "
    "0 is as it is, and can be changed while it plays.  [default: none, at no cost]",
)
@click.option(
    "--mic",
    multiple=True,
    metavar="DEVICE|FILE[:left|:right|:N]",
    help="A microphone to sing along: a device by name or number, 'mic', or a sound "
    "file, and which of its channels. It never goes through the model. May be given again: two "
    "voices of one device open it once.",
)
@click.option(
    "--mic-channel",
    default=DEFAULTS.mic_channel,
    show_default=True,
    metavar="auto|mix|left|right|N",
    help="Which of its channels the voice is on, where --mic doesn't say; auto takes those that "
    "hold sound.",
)
@click.option(
    "--voice-effects",
    type=click.Choice(VOICE_EFFECTS),
    multiple=True,
    default=(DEFAULTS.voice_effects,),
    show_default=True,
    help="What the microphone's voice gets: high-pass and compressor (dry), with reverb "
    "(room, hall), with echo too (stage), or nothing (off). Once for all, or for each --mic.",
)
@click.option(
    "--effect",
    multiple=True,
    metavar="FILE.vst3[:NAME=VALUE,…]",
    help="Send the beat through a VST3 plugin, or an effect of pedalboard by its name "
    "(Chorus:rate_hz=2). May be given again.",
)
@click.option(
    "--mic-effect",
    multiple=True,
    metavar="FILE.vst3[:NAME=VALUE,…]",
    help="The same for the microphone, after its voice effects.",
)
@mic_gain_option
@click.option(
    "--beat-gain",
    type=Decibels(),
    default=DEFAULTS.beat_gain,
    show_default=True,
    metavar="DB",
    help="Level of the song.",
)
@click.option(
    "--master-gain",
    type=Decibels(),
    default=DEFAULTS.master_gain,
    show_default=True,
    metavar="DB",
    help="Level of everything.",
)
@models_option
@click.option(
    "--low-latency",
    is_flag=True,
    help="Choose the model that answers soonest, also where a better one would keep up.",
)
@device_option
@click.option(
    "--block",
    type=click.IntRange(*BLOCK_RANGE),
    default=DEFAULTS.block,
    show_default=True,
    metavar="SAMPLES",
    help="Device block; smaller is sooner, larger is safer.",
)
@click.option(
    "--slack",
    type=click.IntRange(*SLACK_RANGE),
    default=DEFAULTS.slack,
    show_default=True,
    metavar="SAMPLES",
    help="Time that inference may be late; adds to the latency.",
)
@click.option(
    "--seconds",
    type=Finite(min=0, min_open=True),
    metavar="S",
    help="Stop after S seconds.  [default: at the file's end or Ctrl-C]",
)
@click.option(
    "--score",
    is_flag=True,
    help="Give who sings at --mic points for the pitch of the vocals, whatever the octave.",
)
@click.option(
    "--lyrics",
    type=click.Path(path_type=Path),
    metavar="FILE|none",
    help="Show these lyrics (LRC or UltraStar): in time with an input file, else from a key press. "
    " [default: those beside an input file or in its tags]",
)
@click.option(
    "--lyrics-encoding",
    metavar="NAME",
    help="Encoding of their text, e.g. gb18030 or cp1250.  [default: found out, and said]",
)
@click.option(
    "--control",
    metavar="SOCKET|PORT",
    help="Let other programs pause, seek and move faders, by a Unix socket or a port of this "
    "machine; docs/control.md has the protocol.",
)
@click.option(
    "--plain", is_flag=True, help="Print one line a second and no screen, as without a terminal."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object a second; docs/usage.md says what is in it.",
)
def command(
    models: tuple[str | FoundModel, ...],
    plain: bool,
    as_json: bool,
    control: str | None,
    **settings: Any,
) -> None:
    """Take the voice out of what plays now, and play the rest.

    End it with Ctrl-C; a recording is finished and plays. With a file as input and a file as
    output the two line up to the sample.
    """
    if "mic" in settings["record_stems"] and not settings["mic"]:
        raise click.UsageError("there is no microphone to record; expected --mic")
    if settings["mic_effect"] and not settings["mic"]:
        raise click.UsageError("there is no microphone for an effect; expected --mic")
    if settings["score"] and not settings["mic"]:
        raise click.UsageError("there is nobody to score; expected --mic")
    if settings["capture"] is not None and settings["input"] != LOOPBACK:
        raise click.UsageError(f"--capture needs --input {LOOPBACK}")
    if settings["low_latency"] and place_of_auto(models) is None:
        raise click.UsageError("--low-latency chooses the model; expected no --model beside it")
    given = click.get_current_context().get_parameter_source("record_stems")
    if settings["record"] is None and given == ParameterSource.COMMANDLINE:
        raise click.UsageError("--record-stems says what to record; expected --record too")
    never_wait_for_readers()
    config = LiveConfig(model=models, tune_process=True, **settings)
    player = LivePlayer(config, events=EventLog(partial(_say, as_json=as_json)))
    controlled = _controlled(player, control, as_json=as_json)
    scores: list[str] = []
    if config.score:
        player.on_song_end = partial(_tell_score, player, scores)
    with player, ended_by_signals(player), controlled:
        player.run(choose_display(player, plain=plain, as_json=as_json))
    for line in scores:  # once more, where the screen is gone, as are the notices
        echo(line, err=as_json)
    for notice in player.notices:
        echo(notice, err=True)
    if lossy := {notice.path for notice in player.notices if notice.lost}:
        raise LossError(
            f"not all sound of {' and '.join(map(str, sorted(lossy)))} could be read",
            expected="whole files",
            remedy="the lines above say what was silence, and where",
        )


def _tell_score(player: LivePlayer, told: list[str], song: Path) -> None:
    """Say what a song was sung for, and begin anew; of the last one it is said at the end."""
    now = player.session.song()
    if now is None or now.path == song:
        return
    if (score := player.restart_score()) is not None:
        told.append(f"{song.name}: {score_line(score)}")
        player.events.add(told[-1])


@contextmanager
def _controlled(player: LivePlayer, control: str | None, *, as_json: bool) -> Iterator[None]:
    """Let other programs command the player, if that is asked for."""
    if control is None:
        yield
        return
    from streamsep.remote.player_control import PlayerControl, where_of

    with PlayerControl(player, where_of(control), player.events.add) as remote:
        echo(f"control: {remote.address}", err=as_json)
        yield


def _say(event: Event, *, as_json: bool) -> None:
    """Say what is said before and after the music; standard output is a program's, if it reads."""
    if event.kind != "event":
        options = with_options(event.settings)
        echo(f"{event.text}{options}", err=as_json or event.kind == "warning")


@contextmanager
def ended_by_signals(player: LivePlayer) -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a lost terminal end the music, so that all is closed in order."""

    def handler(signum: int, frame: FrameType | None) -> None:
        player.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Not on Windows; whoever wants a lost terminal to end nothing has it ignored, as nohup does.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        player.stop()
        for number, old in before.items():
            signal.signal(number, old)
