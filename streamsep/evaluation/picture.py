"""Sounds as a picture: spectrograms one below the other, and their levels over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamsep.audio.files.part_files import whole_file
from streamsep.errors import StreamsepError
from streamsep.evaluation.spectrogram import COLUMNS, Spectrogram

LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
BANDS_PER_OCTAVE = 16  # a band is a pixel high
TICKS_HZ = {100.0: "100", 300.0: "300", 1_000.0: "1k", 3_000.0: "3k", 10_000.0: "10k"}
RANGE_DB = (-90.0, -20.0)  # of a band, from the darkest to the brightest
LEVELS_DB = (-60.0, 0.0)
STYLES = ("k-", "C0-", "C1-", "C2--")


def draw_picture(sounds: Mapping[str, Spectrogram], path: Path, *, start_s: float = 0.0) -> None:
    """Write a PNG of sounds by name, all of the same length.

    Parameters
    ----------
    start_s
        When the sounds begin, for the axis.

    Raises
    ------
    OutputError
        If the file can't be written.
    StreamsepError
        If matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise StreamsepError(
            "there is no picture, since matplotlib isn't installed",
            expected="the extra 'eval'",
            remedy="pip install 'streamsep[eval]'",
        ) from error
    octaves = np.log2(HIGHEST_HZ / LOWEST_HZ)
    edges_hz = LOWEST_HZ * 2 ** np.linspace(0.0, octaves, round(octaves * BANDS_PER_OCTAVE) + 1)
    figure = Figure(figsize=(10, 2.2 * len(sounds) + 1.8), layout="constrained")
    *axes, chart = figure.subplots(len(sounds) + 1, 1, sharex=True)
    for axis, (name, sound) in zip(axes, sounds.items(), strict=True):
        span = (start_s, start_s + sound.seconds)
        image = np.maximum(sound.bands_db(edges_hz, COLUMNS), RANGE_DB[0])
        shown = axis.imshow(
            image,
            vmin=RANGE_DB[0],
            vmax=RANGE_DB[1],
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=(*span, *np.log2((LOWEST_HZ, HIGHEST_HZ))),
        )
        axis.set(title=name, ylabel="Hz")
        axis.set_yticks(np.log2([*TICKS_HZ]), TICKS_HZ.values())
    # Beside all panels, or the chart would be wider than the spectrograms above it.
    figure.colorbar(
        shown, ax=[*axes, chart], label="dB in a sixteenth of an octave", aspect=60, pad=0.01
    )
    for style, (name, sound) in zip(STYLES, sounds.items(), strict=False):
        levels = np.maximum(sound.levels_db(COLUMNS), LEVELS_DB[0] - 10.0)
        times = start_s + (np.arange(COLUMNS) + 0.5) * sound.seconds / COLUMNS
        chart.plot(times, levels, style, linewidth=1.0, label=name)
    chart.set(title="level", ylabel="dB", ylim=LEVELS_DB, xlabel="seconds")
    chart.grid(alpha=0.3)
    chart.legend(loc="lower right", ncols=len(sounds))
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, format="png")
