"""Options that several commands share."""

from __future__ import annotations

import math
from typing import Any

import click

from streamsep.dsp.decibels import HIGHEST_GAIN_DB
from streamsep.models import BUILTIN, find_model

model_option = click.option(
    "--model",
    callback=lambda context, option, name: find_model(name),
    metavar="NAME|FILE",
    help=f"Model to run: {' or '.join(BUILTIN)}, one of 'streamsep models list', or an ONNX file.  "
    f"[default: {BUILTIN[0]}]",
)
models_option = click.option(
    "--model",
    "models",
    callback=lambda context, option, names: tuple(
        dict.fromkeys(find_model(name.strip() or None) for name in (names or "").split(","))
    ),
    metavar="NAME|FILE,…",
    help=f"Model to run: {' or '.join(BUILTIN)}, one of 'streamsep models list', or an ONNX "
    "file; several with commas between them to change over while it plays.  "
    f"[default: {BUILTIN[0]}]",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "cpu"]),
    default="auto",
    show_default=True,
    help="Where the model runs; cuda fails if it can't be had.",
)


def with_options(settings: tuple[str, ...]) -> str:
    """Return the options behind settings that a message speaks of, as its end."""
    options = ", ".join(f"--{name.replace('_', '-')}" for name in settings)
    return f" ({options})" if options else ""


class Decibels(click.FloatRange):
    """A gain of at most +24 dB; ``-inf`` mutes."""

    name = "gain in dB"

    def __init__(self) -> None:
        super().__init__(max=HIGHEST_GAIN_DB)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse NaN besides what the range refuses."""
        gain_db: float = super().convert(value, param, ctx)
        if math.isnan(gain_db):
            self.fail(f"{value!r} is no gain", param, ctx)
        return gain_db


class Names(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """Names separated by commas; which ones there are, only a model or data can tell."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        if "" in names:
            self.fail(f"{value!r} has a name of nothing in it", param, ctx)
        return names
