"""``score``: live networks side by side on mixes of held-out tracks."""

from __future__ import annotations

from math import nan
from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command("score")
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@click.option("--data", type=FILE, required=True, help="A prepared folder.")
@click.option(
    "--items", default=192, show_default=True, type=click.IntRange(1), help="Mixes of 3 s."
)
@click.option("--seed", default=0, show_default=True, help="Of the mixes.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads; torch's choice if not given.")
def score_runs(
    checkpoints: tuple[Path, ...], data: Path, items: int, seed: int, threads: int | None
) -> None:
    """Score CHECKPOINTS of the live recipe on the same mixes of what --data holds out.

    What a run prints is of its own mixes, this is of the same for all. Loss as in training; uSDR in
    dB of the stems, of the rest, and of the untouched mixture taken for the rest.
    """
    import torch

    from export.data.manifest import read_manifest
    from export.engine.checkpoint import REMEDY
    from export.engine.torch_stft import make_window
    from export.errors import CheckpointError
    from export.recipes.live.evaluator import evaluate, held_out_items
    from export.recipes.live.mixing import StereoMixer
    from export.recipes.live.onnx_export import WINDOW, read_live

    if threads is not None:
        torch.set_num_threads(threads)
    held_out = [track for track in read_manifest(data) if track.split == "valid"]
    click.echo(f"{items} mixes of {len(held_out)} held-out tracks")
    click.echo(f"{'loss':>8}{'stems':>8}{'rest':>8}{'untouched':>11}  checkpoint")
    for path in checkpoints:
        live = read_live(path)
        if live is None:
            raise CheckpointError(
                f"{path} holds no network of the live recipe",
                expected="a live network",
                remedy=REMEDY,
            )
        mixer = StereoMixer(data, held_out, seed, live.stems)
        # Which mixes are drawn depends on how many at a time.
        scores = evaluate(live.network, held_out_items(mixer, items, 8), make_window(WINDOW))
        # Mixes of which one side is silent have no uSDR.
        usdr = (scores.get(f"usdr_{name}", nan) for name in ("target", "rest", "untouched"))
        columns = [scores["loss"], *usdr]
        click.echo("{:8.4f}{:8.2f}{:8.2f}{:11.2f}  ".format(*columns) + str(path))
