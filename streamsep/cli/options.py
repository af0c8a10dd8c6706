"""Options that several commands share."""

from __future__ import annotations

import click

from streamsep.models import BUILTIN, find_model

model_option = click.option(
    "--model",
    callback=lambda context, option, name: find_model(name),
    metavar="NAME|FILE",
    help=f"Model to run: {' or '.join(BUILTIN)}, or an ONNX file.  [default: {BUILTIN[0]}]",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "cpu"]),
    default="auto",
    show_default=True,
    help="Where the model runs; cuda fails if it can't be had.",
)
