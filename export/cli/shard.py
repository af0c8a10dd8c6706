"""``shard``: prepared tracks become shards that training streams from a store."""

from __future__ import annotations

from pathlib import Path

import click

from streamsep.cli.number_types import Finite

FOLDER = click.Path(path_type=Path)
MEGABYTE = 10**6


@click.command("shard")
@click.option("--data", type=FOLDER, required=True, help="A prepared folder.")
@click.option(
    "--out", required=True, metavar="URL", help="A folder, or a URI such as s3://bucket/songs."
)
@click.option(
    "--shard-mb",
    default=1000.0,
    show_default=True,
    type=Finite(0, min_open=True),
    help="About how large a shard is. Tracks are mixed with those of their shard: large ones are "
    "better; each process that draws batches holds two in memory.",
)
@click.option("--seed", default=0, show_default=True, help="Of the order of tracks.")
def shard_tracks(data: Path, out: str, shard_mb: float, seed: int) -> None:
    """Write prepared tracks as WebDataset shards, for 'train --data URL'.

    Each shard has a part of each kind of track. What is neither trained on nor held out stays out.
    """
    from export.cli.progress_bar import make_progress
    from export.data.manifest import read_manifest
    from export.data.shards import write_shards

    tracks = read_manifest(data)
    shards = {"train": 0, "valid": 0}
    written = write_shards(data, tracks, out, round(shard_mb * MEGABYTE), seed)
    with make_progress() as progress:
        row = progress.add_task("writing", total=sum(t.split in shards for t in tracks))
        for shard in written:
            shards[shard.tracks[0].split] += 1
            progress.advance(row, len(shard.tracks))
    click.echo(f"{shards['train']} shards to train on, {shards['valid']} held out, in {out}")
