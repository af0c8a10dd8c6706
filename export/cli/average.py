"""``average``: the mean of two runs of the live network."""

from __future__ import annotations

from pathlib import Path

import click

from streamsep.cli.number_types import Finite

FILE = click.Path(path_type=Path)


@click.command("average")
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@click.option(
    "--share",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="Weight of SECOND in the mean.",
)
@click.option("--out", type=FILE, required=True, help="The checkpoint to write.")
def average_runs(first: Path, second: Path, share: float, out: Path) -> None:
    """Average the weights of FIRST and of SECOND: a run that began with it, or as it did."""
    from export.engine.checkpoint import write_content
    from export.recipes.live.average import average_checkpoints

    write_content(out, average_checkpoints(first, second, share))
    click.echo(f"{out}: the mean of {first} ({1 - share:.1%}) and {second} ({share:.1%})")
