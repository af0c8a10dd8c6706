"""``streamsep live``: the separator against the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from streamsep.cli.options import Decibels, Names, device_option, models_option
from streamsep.cli.profiles import profile_option
from streamsep.cli.stderr import quiet_libraries
from streamsep.effects.key import HIGHEST, LOWEST
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.live.config import LiveConfig
from streamsep.live.player import run_live
from streamsep.models import Model
from streamsep.onnx_file import read_metadata
from streamsep.separation import load_separator


@click.command()
@profile_option
@click.option(
    "--input",
    "input_name",
    default="mic",
    show_default=True,
    metavar="DEVICE|loopback|FILE",
    help="What to listen to: a device by name or number, 'mic', 'loopback' for what "
    "other programs play, or a sound file.",
)
@click.option(
    "--capture",
    metavar="APP",
    help="With --input loopback: move this running player to it, by name, program or "
    "process number; it goes back at the end.",
)
@click.option(
    "--output",
    "output_name",
    default="speakers",
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
    default="mix",
    show_default=True,
    metavar="NAME,…",
    help="What to record, of beat, mic, mix and the model's stems (such as vocals): each "
    "but the mix in a file of its own, FILE.NAME.suffix, aligned to the sample.",
)
@click.option(
    "--stem",
    default="beat",
    show_default=True,
    metavar="NAME",
    help="What to play: beat, which is all but the vocals, or one of the model's stems.",
)
@click.option(
    "--guide",
    type=click.FloatRange(0, 100),
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
    metavar="DEVICE|FILE",
    help="A microphone to sing along: a device by name or number, 'mic', or a sound "
    "file. It never goes through the model.",
)
@click.option(
    "--voice-effects",
    type=click.Choice(VOICE_EFFECTS),
    default="room",
    show_default=True,
    help="What the microphone's voice gets: high-pass and compressor (dry), with reverb "
    "(room, hall), with echo too (stage), or nothing (off).",
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
@click.option(
    "--mic-gain",
    type=Decibels(),
    default=0.0,
    show_default=True,
    metavar="DB",
    help="Level of the microphone.",
)
@click.option(
    "--beat-gain",
    type=Decibels(),
    default=0.0,
    show_default=True,
    metavar="DB",
    help="Level of the song.",
)
@click.option(
    "--master-gain",
    type=Decibels(),
    default=0.0,
    show_default=True,
    metavar="DB",
    help="Level of everything.",
)
@models_option
@device_option
@click.option(
    "--block",
    type=click.IntRange(32, 8192),
    default=512,
    show_default=True,
    metavar="SAMPLES",
    help="Device block; smaller is sooner, larger is safer.",
)
@click.option(
    "--slack",
    type=click.IntRange(0, 44_100),
    default=1024,
    show_default=True,
    metavar="SAMPLES",
    help="Time that inference may be late; adds to the latency.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Stop after S seconds.  [default: at the file's end or Ctrl-C]",
)
@click.option(
    "--lyrics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show these lyrics (LRC or UltraStar): in time with an input file, else from a key press.",
)
@click.option(
    "--plain", is_flag=True, help="Print one line a second and no screen, as without a terminal."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object a second; README says what is in it.",
)
def command(models: tuple[Model, ...], device: str, **options: Any) -> None:
    """Take the voice out of what plays now, and play the rest.

    End it with Ctrl-C; a recording is finished and plays. With a file as input and a file as
    output the two line up to the sample.
    """
    if "mic" in options["record_stems"] and options["mic"] is None:
        raise click.UsageError("there is no microphone to record; expected --mic")
    if options["mic_effect"] and options["mic"] is None:
        raise click.UsageError("there is no microphone for an effect; expected --mic")
    given = click.get_current_context().get_parameter_source("record_stems")
    if options["record"] is None and given == ParameterSource.COMMANDLINE:
        raise click.UsageError("--record-stems says what to record; expected --record too")
    for model in models[1:]:
        if isinstance(model, Path):
            read_metadata(model)  # else a wrong name is found out in the middle of a song
    separator = load_separator(models[0], device=device)
    if separator.schedule is not None:
        click.echo(f"{separator.spec.name} {separator.schedule}", err=options["as_json"])
    with quiet_libraries():
        run_live(separator, LiveConfig(models=models, device=device, **options))
