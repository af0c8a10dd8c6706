"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="ONNX model to run.  [default: the built-in vocals model]",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "cpu"]),
    default="auto",
    show_default=True,
    help="Where the model runs; cuda fails if it can't be had.",
)
