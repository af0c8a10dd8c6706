"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from streamsep.errors import OutputError
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


def make_folder(folder: Path, option: str) -> None:
    """Make the folder that ``option`` names, unless it is there.

    Raises
    ------
    OutputError
        If it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} can't be made ({error.strerror})",
            expected="a place to write to",
            remedy=f"choose another with {option}",
        ) from error
