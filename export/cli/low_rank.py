"""``low-rank``: the live network with fewer weights at its bottleneck."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command("low-rank")
@click.argument("checkpoint", type=FILE)
@click.option(
    "--data", type=FILE, required=True, help="A prepared folder: on mixes of it least is lost."
)
@click.option("--rank", type=click.IntRange(min=1), help="[default: 96]")
@click.option("--out", type=FILE, required=True, help="The checkpoint to write.")
def low_rank_run(checkpoint: Path, data: Path, rank: int | None, out: Path) -> None:
    """Make a live network faster, as the last thing before its export.

    The products at its bottleneck become of RANK: a smaller one is faster and loses more. Compare
    with 'python -m export score'.
    """
    from export.engine.checkpoint import write_content
    from export.recipes.live.low_rank import RANK, reduce_rank

    rank = rank or RANK
    write_content(out, reduce_rank(checkpoint, data, rank))
    click.echo(f"{out}: {checkpoint} with products of rank {rank} at the bottleneck")
