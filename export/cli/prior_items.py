"""``prior-items``: mixes with what a slow model says of them, to teach a quick one with."""

from __future__ import annotations

from pathlib import Path

import click

from export.cli.to_onnx import threads_option

FILE = click.Path(path_type=Path)


@click.command("prior-items")
@click.option("--data", type=FILE, required=True, help="A prepared folder.")
@click.option(
    "--model", type=FILE, required=True, help="The prior, a model file: what 'studio' writes."
)
@click.option("--out", type=FILE, required=True, help="Where the items go.")
@click.option(
    "--count", type=click.IntRange(1), required=True, help="Items of 3 s of this seed, in all."
)
@click.option(
    "--seed", default=0, show_default=True, help="Of the mixes; other seeds add to the folder."
)
@click.option("--valid", is_flag=True, help="Of held-out tracks, to validate on.")
@threads_option
def prior_items(
    data: Path, model: Path, out: Path, count: int, seed: int, valid: bool, threads: int | None
) -> None:
    """Draw mixes and keep them with the masks that a model would have given live.

    For 'train --recipe live --prior-items', which may run meanwhile. Run again after an
    interruption: finished items are skipped. About a megabyte each.
    """
    import torch

    from export.cli.progress_bar import make_progress
    from export.data.manifest import read_manifest
    from export.recipes.live.mixing import StereoMixer
    from export.recipes.live.prior import check_prior
    from export.recipes.live.prior_items import write_items
    from streamsep.separation.backend import OnnxBackend

    if threads is not None:
        torch.set_num_threads(threads)
    split = "valid" if valid else "train"
    mixer = StereoMixer(data, [t for t in read_manifest(data) if t.split == split], seed)
    prior = OnnxBackend(model)
    check_prior(prior.spec)
    made = 0
    with make_progress() as progress:
        row = progress.add_task("drawing", total=None)
        for made, _ in enumerate(write_items(out, mixer, prior, count, seed), 1):
            progress.update(row, completed=made)
    click.echo(f"{made} new items of seed {seed} in {out}")
