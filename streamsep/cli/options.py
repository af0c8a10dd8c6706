"""Options that several commands share."""

from __future__ import annotations

import os

import click

from streamsep.audio.files.sound_choice import BOTH, CHANNELS
from streamsep.cli.echo import echo
from streamsep.cli.number_types import Decibels
from streamsep.live.config import LiveConfig
from streamsep.live.model_probe import choose_for_files
from streamsep.models import BUILTIN, FoundModel, find_model
from streamsep.models.quality import AUTO, BEST

ANY_MODEL = f"Model to run: {', '.join(BUILTIN)}, one of 'streamsep models list', or an ONNX file"


def _best_for_files(
    context: click.Context, option: click.Parameter, name: str | None
) -> FoundModel:
    """Return the model of a name; unnamed, the best one, or the next with a line that says why."""
    if name is not None and name != AUTO:
        return find_model(name)
    model, choice = choose_for_files()
    if choice.model != BEST and not context.resilient_parsing:
        echo(f"streamsep: {choice}", err=True)
    return model


def _several_for_files(
    context: click.Context, option: click.Parameter, names: str | None
) -> tuple[FoundModel, ...]:
    """Return the models of names with commas between them; a file's own name may have some."""
    whole = names is None or os.path.isfile(names)
    parts = [names] if whole else [part.strip() for part in (names or "").split(",")]
    return tuple(_best_for_files(context, option, part or None) for part in parts)


several_models_option = click.option(
    "--model",
    "models",
    callback=_several_for_files,
    metavar="NAME|FILE,…",
    help=f"{ANY_MODEL}; several with commas between them are blended.  "
    f"[default: {AUTO}, the best that is there]",
)
model_option = click.option(
    "--model",
    callback=_best_for_files,
    metavar="NAME|FILE",
    help=f"{ANY_MODEL}.  [default: {AUTO}, the best that is there]",
)
live_model_option = click.option(
    "--model",
    callback=lambda context, option, name: find_model(name),
    metavar="NAME|FILE",
    help=f"{ANY_MODEL}.  [default: {BUILTIN[0]}]",
)
models_option = click.option(
    "--model",
    "models",
    callback=lambda context, option, names: tuple(
        dict.fromkeys(
            name if name == AUTO else find_model(name)
            for name in (part.strip() or AUTO for part in (names or AUTO).split(","))
        )
    ),
    metavar="NAME|FILE,…",
    help=f"{ANY_MODEL}; several with commas between them to change over while it plays. {AUTO} "
    "chooses by the input and the machine, and steps down where that doesn't keep up.  "
    f"[default: {AUTO}]",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "cpu"]),
    default="auto",
    show_default=True,
    help="Where the model runs; cuda fails if it can't be had.",
)


track_option = click.option(
    "--track",
    metavar="N|LANGUAGE|TITLE",
    help="Of a file with several tracks of sound, which.  [default: the one that players take]",
)
channel_option = click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    default=BOTH,
    show_default=True,
    help="One side of a file's stereo alone, as of karaoke discs with the voice on one side.",
)


def with_options(settings: tuple[str, ...]) -> str:
    """Return the options behind settings that a message speaks of, as its end."""
    options = ", ".join(f"--{name.replace('_', '-')}" for name in settings)
    return f" ({options})" if options else ""


mic_gain_option = click.option(
    "--mic-gain",
    type=Decibels(),
    multiple=True,
    default=(LiveConfig().mic_gain,),
    show_default=True,
    metavar="DB",
    help="Level of the microphone. Once for all, or for each --mic.",
)
