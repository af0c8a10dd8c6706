"""``onnx`` and ``verify``: a checkpoint in, a proven model file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from export.data.audio import Audio

FILE = click.Path(path_type=Path)

checkpoint_option = click.option(
    "--checkpoint", type=FILE, required=True, help="What 'train' wrote, usually best.pt."
)
audio_option = click.option("--audio", type=FILE, help="Song to verify on, instead of noise.")
steps_option = click.option(
    "--steps", type=click.IntRange(2), help="Runs to verify over [default: 128, sliding 4]"
)
threads_option = click.option("--threads", type=click.IntRange(1), help="CPU threads of torch.")

hop_option = click.option(
    "--hop",
    "hop_length",
    type=click.Choice(["256", "512", "1024"]),
    default="1024",
    show_default=True,
    help="Of the live network, which answers two hops late: short ones cost as many times more.",
)
score_option = click.option(
    "--score",
    "scores",
    type=(str, float),
    multiple=True,
    metavar="NAME VALUE",
    help="A measured score to keep in the file.",
)


@click.command("onnx")
@checkpoint_option
@click.option("--out", type=FILE, required=True, help="The model file to write.")
@click.option(
    "--mode", type=click.Choice(["stateful", "sliding"]), default="stateful", show_default=True
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="fp16 is for GPUs, int8 for CPUs.",
)
@hop_option
@click.option("--name", help="Name in the spec [default: the file's].")
@click.option("--channels", default=2, show_default=True, type=click.IntRange(1, 8))
@click.option("--licence", default="", help="Licence of the weights.")
@click.option("--training-data", default="", help="What it was trained on, in a sentence.")
@score_option
@audio_option
@steps_option
@threads_option
def to_onnx(
    checkpoint: Path,
    out: Path,
    mode: str,
    precision: str,
    hop_length: str,
    name: str | None,
    channels: int,
    licence: str,
    training_data: str,
    scores: tuple[tuple[str, float], ...],
    audio: Path | None,
    steps: int | None,
    threads: int | None,
) -> None:
    """Export a checkpoint and verify the file; one that fails isn't kept."""
    _set_threads(threads)
    from export.constants import HOP_LENGTH
    from export.onnx_graph.write import current_commit
    from export.recipes.live.onnx_export import live_spec, read_live, write_live
    from export.recipes.tutorial.onnx_export import write_model
    from export.recipes.tutorial.onnx_model import make_spec
    from export.recipes.tutorial.trained_network import load_checkpoint

    live = read_live(checkpoint)
    if live is not None:
        if (mode, channels) != ("stateful", 2):
            raise click.UsageError("the live model is stateful and stereo")
        card = live_spec(
            live,
            int(hop_length),
            name=name or out.stem,
            licence=licence,
            training_data=training_data,
            scores=dict(scores),
            git_commit=current_commit(),
        )
        error = write_live(live, card, out, _wave(audio, 2), precision)
        click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, largest mask error {error:.2g}")
        return
    if int(hop_length) != HOP_LENGTH:
        raise click.UsageError("the tutorial's network has a hop of 1024")
    trained = load_checkpoint(checkpoint)
    spec = make_spec(
        trained,
        mode,
        name=name or out.stem,
        channels=channels,
        licence=licence,
        training_data=training_data,
        scores=dict(scores),
        git_commit=current_commit(),
    )
    parity = write_model(
        trained, spec, out, precision, _wave(audio, channels), steps or _default_steps(mode)
    )
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {parity}")


@click.command()
@click.argument("model", type=FILE)
@click.option("--out", type=FILE, required=True, help="The model file to write.")
@hop_option
@click.option("--name", help="Name in the spec [default: the file's].")
@click.option(
    "--prior",
    default="",
    help="Name of the model beside it that corrects its masks where there is time, such as studio.",
)
@score_option
def variant(
    model: Path,
    out: Path,
    hop_length: str,
    name: str | None,
    prior: str,
    scores: tuple[tuple[str, float], ...],
) -> None:
    """Write a variant of MODEL, a live network's file, with another hop or a prior.

    It is a small file that says so, and runs the graph of MODEL: both stay in one folder.
    """
    from export.recipes.live.onnx_export import write_live_variant

    write_live_variant(
        model, out, int(hop_length), prior=prior, name=name or out.stem, scores=dict(scores)
    )
    click.echo(f"{out}: the graph of {model} with a hop of {hop_length}")


@click.command()
@click.argument("model", type=FILE)
@checkpoint_option
@audio_option
@steps_option
@threads_option
def verify(
    model: Path, checkpoint: Path, audio: Path | None, steps: int | None, threads: int | None
) -> None:
    """Compare MODEL with the network it was exported from; fail beyond tolerance."""
    _set_threads(threads)
    from export.onnx_graph.variant import read_spec
    from export.recipes.live.onnx_export import read_live, verify_live
    from export.recipes.tutorial.onnx_verify import verify as compare
    from export.recipes.tutorial.trained_network import load_checkpoint

    spec = read_spec(model)
    live = read_live(checkpoint)
    if live is not None:
        error = verify_live(model, live, _wave(audio, spec.channels))
        click.echo(f"{model}: largest mask error {error:.2g}")
        return
    parity = compare(
        model,
        load_checkpoint(checkpoint),
        _wave(audio, spec.channels),
        steps or _default_steps(spec.mode),
    )
    click.echo(f"{model}: {parity}")
    parity.check()


def _default_steps(mode: str) -> int:
    """Twelve seconds of steps, or of windows twice that."""
    return 128 if mode == "stateful" else 4


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _wave(audio: Path | None, channels: int) -> Audio:
    """Return what to verify on: the song, or noise whose level comes and goes like a song's."""
    import numpy as np

    from export.constants import SAMPLE_RATE
    from export.data.audio import read_stereo_44k

    if audio is not None:
        stereo = read_stereo_44k(audio)
        return np.ascontiguousarray(np.resize(stereo, (channels, stereo.shape[1])))
    rng = np.random.default_rng(0)
    time = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    noise = rng.standard_normal((channels, time.size))
    return (0.1 * noise * (1.1 + np.sin(2 * np.pi * time))).astype(np.float32)
