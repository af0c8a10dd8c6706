"""``train``: prepared songs in, checkpoints and a learning curve out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import torch

    from export.training.loop import Budget

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--data", type=FOLDER, required=True, help="A prepared folder.")
@click.option("--out", type=FOLDER, required=True, help="Where checkpoints and the curve go.")
@click.option("--recipe", "network", type=click.Choice(["tutorial", "builtin"]), default="tutorial",
              show_default=True, help="The tutorial's network and its options below, or the "
              "built-in live model, whose recipe is fixed but for data, time and seed.")
@click.option("--target", type=click.Choice(["vocals", "other", "accompaniment"]),
              default="vocals", show_default=True)  # fmt: skip
@click.option("--width", default=1.0, show_default=True, type=click.FloatRange(0.01, 4),
              help="Scales the inner channels.")  # fmt: skip
@click.option("--head", type=click.Choice(["direct", "gated"]), default="direct",
              show_default=True, help="Estimate outright, or as a share of the mix.")  # fmt: skip
@click.option("--window", type=click.Choice(["sqrt_hann", "hann"]), default="sqrt_hann",
              show_default=True)  # fmt: skip
@click.option("--mix/--no-mix", default=False, show_default=True,
              help="Random mixes of voices and accompaniments.")  # fmt: skip
@click.option("--batch", "batch_size", default=64, show_default=True, type=click.IntRange(1))
@click.option("--lr", "learning_rate", default=1e-4, show_default=True,
              type=click.FloatRange(0, min_open=True))  # fmt: skip
@click.option("--schedule", type=click.Choice(["constant", "cosine"]), default="constant",
              show_default=True)  # fmt: skip
@click.option("--steps", type=click.IntRange(1), help="Stop after this many steps.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after this time.")
@click.option("--valid-every", default=200, show_default=True, type=click.IntRange(1))
@click.option("--valid-excerpts", default=64, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from OUT/last.pt, by its recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
              show_default=True)  # fmt: skip
@click.option("--bf16", is_flag=True, help="Multiply in bfloat16 (worth it on a GPU).")
@click.option("--threads", type=click.IntRange(1), help="CPU threads; torch's choice if not given.")
def train(
    data: Path,
    out: Path,
    network: str,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    device: str,
    bf16: bool,
    threads: int | None,
    **recipe: object,
) -> None:
    """Train a network on prepared songs; held-out tracks decide which checkpoint is best."""
    if steps is None and minutes is None:
        raise click.UsageError("say when to stop: --steps, --minutes or both")
    import torch

    from export.data.excerpts import ExcerptSampler
    from export.data.manifest import read_manifest
    from export.data.mixing import FixedSet, RandomMixer
    from export.errors import CheckpointError, DataError
    from export.progress import make_progress
    from export.training.checkpoint import LAST_NAME, load_checkpoint
    from export.training.config import TrainConfig
    from export.training.curve import draw_curve
    from export.training.loop import Budget, Trainer

    if threads is not None:
        torch.set_num_threads(threads)
    if not resume and (out / LAST_NAME).exists():
        raise CheckpointError(
            f"{out} holds a run already", expected="an empty folder",
            remedy="add --resume, or choose another --out",
        )  # fmt: skip
    if network == "builtin":
        _train_builtin(data, out, Budget(steps, minutes), resume, device, int(str(recipe["seed"])))
        return
    if resume:
        before = load_checkpoint(out / LAST_NAME)
        config, history = before.train, list(before.history)
    else:
        config, history = TrainConfig(**recipe), []  # type: ignore[arg-type]
    tracks = read_manifest(data)
    groups = {name: [t for t in tracks if t.split == name] for name in ("train", "valid")}
    if not groups["valid"]:
        raise DataError(
            f"{data} holds no track out", expected="tracks to validate on",
            remedy="prepare again with --valid-share or --valid",
        )  # fmt: skip
    make = RandomMixer if config.mix else ExcerptSampler
    with make_progress() as progress:
        task = progress.add_task("training", total=None)

        def validated(record: dict[str, float]) -> None:
            progress.console.print(
                "  ".join(f"{k} {v:.4g}" for k, v in record.items()), soft_wrap=True
            )
            history.append(record)
            draw_curve(history, out / "curve.png")

        def report(share: float, step: int, loss: float) -> None:
            total = int(step / share) or None
            progress.update(task, description=f"loss {loss:.4f}", completed=step, total=total)

        Trainer(
            config,
            make(data, groups["train"], config.target, config.seed),
            FixedSet(data, groups["valid"], config.target, config.seed, config.valid_excerpts,
                     config.mix),
            out,
            device=pick_device(device),
            bf16=bf16,
            report=report,
            validated=validated,
        ).run(Budget(steps, minutes), resume=resume)  # fmt: skip
    click.echo(f"best.pt, last.pt and curve.png in {out}")


def _train_builtin(
    data: Path, out: Path, budget: Budget, resume: bool, device: str, seed: int
) -> None:
    from export.causal.mixing import StereoMixer
    from export.causal.train import Recipe, Run
    from export.data.manifest import read_manifest
    from export.progress import make_progress
    from export.training.curve import draw_curve

    tracks = read_manifest(data)
    pools = [
        StereoMixer(data, [t for t in tracks if t.split == split], seed + place)
        for place, split in enumerate(("train", "valid"))
    ]
    with make_progress() as progress:
        task = progress.add_task("training", total=None)

        def validated(record: dict[str, float]) -> None:
            progress.console.print(
                "  ".join(f"{k} {v:.4g}" for k, v in record.items()), soft_wrap=True
            )
            draw_curve(run.history, out / "curve.png")

        def report(share: float, step: int, loss: float) -> None:
            total = int(step / share) or None
            progress.update(task, description=f"loss {loss:.4f}", completed=step, total=total)

        run = Run(Recipe(seed=seed), out, *pools, validated, report, device=pick_device(device))
        if resume:
            run.resume()
        run.run(budget)
    click.echo(f"last.pt and curve.png in {out}")


def pick_device(name: str) -> torch.device:
    """Return the torch device; a GPU that is asked for and missing is an error.

    Raises
    ------
    BackendError
        For ``"cuda"`` without a usable GPU.
    """
    import torch

    from streamsep.errors import BackendError

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise BackendError(
            "torch finds no CUDA device", expected="an NVIDIA GPU and its driver",
            remedy="use --device cpu, or install torch for your CUDA version",
        )  # fmt: skip
    return torch.device("cuda" if available and name != "cpu" else "cpu")
