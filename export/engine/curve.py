"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def draw_curve(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draw losses and scores over steps.

    Parameters
    ----------
    history
        The validation records of a checkpoint.
    path
        Picture to write; the suffix names the format.
    """
    from matplotlib.figure import Figure

    steps = [r["step"] for r in history]
    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for name in ("train_loss", "valid_loss"):
        losses.plot(steps, [r[name] for r in history], marker=".", label=name)
    losses.set(xlabel="step", ylabel="loss", yscale="log")
    for name in ("usdr_target", "usdr_rest", "usdr_untouched"):
        if all(name in r for r in history):
            scores.plot(steps, [r[name] for r in history], marker=".", label=name)
    scores.set(xlabel="step", ylabel="uSDR on held-out tracks (dB)")
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    figure.savefig(path, dpi=100)
