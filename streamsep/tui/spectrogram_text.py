"""A sound on a terminal: its spectrogram in shades, and its level over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from streamsep.tui.view import EIGHTHS, clock, decibels

Float64 = NDArray[np.float64]

SHADES = " ░▒▓█"
# From the quietest to the loudest; a terminal without colours has the shades.
COLOURS = ("#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
STEP_DB = 10.0  # from shade to shade
RANGE_DB = STEP_DB * (len(SHADES) - 1)
LEVEL_ROWS = 2
LEVEL_STEP_DB = 3.0  # from eighth to eighth of a line
OCTAVES_HZ = 62.5 * 2.0 ** np.arange(9)  # the middles of the rows
OCTAVE_EDGES_HZ = OCTAVES_HZ[0] * 2.0 ** (np.arange(len(OCTAVES_HZ) + 1) - 0.5)
LABELS = ("63", "125", "250", "500", "1k", "2k", "4k", "8k", "16k")
MARGIN = 6  # columns for labels


def columns_for(width: int) -> int:
    """Return how many columns of sound there are in a terminal's."""
    return max(width - MARGIN, 8)


def picture(
    name: str, octaves_db: Float64, levels_db: Float64, *, mean_db: float, top_db: float
) -> Text:
    """Return lines that show a sound.

    Parameters
    ----------
    octaves_db
        (9, columns): levels of the octaves between OCTAVE_EDGES_HZ.
    levels_db
        (columns,): levels of all together.
    mean_db
        Level of the whole.
    top_db
        Level of an octave that has the darkest shade.
    """
    mean = f"mean{decibels(mean_db)}"
    lines = [Text(f"{name}{mean:>{MARGIN + len(levels_db) - len(name)}}", "bold")]
    for label, levels in zip(reversed(LABELS), octaves_db[::-1], strict=True):
        lines.append(Text(f"{label:>{MARGIN - 1}} ").append_text(_shaded(levels - top_db)))
    full = 8 * LEVEL_ROWS
    eighths = np.rint(np.clip(full + levels_db / LEVEL_STEP_DB, 0, full)).astype(int)
    for row in reversed(range(LEVEL_ROWS)):
        label = "level" if row == 0 else ""
        cells = (EIGHTHS[min(max(height - 8 * row, 0), 8)] for height in eighths)
        lines.append(Text(f"{label:>{MARGIN - 1}} {''.join(cells)}"))
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def axis(start_s: float, seconds: float, columns: int) -> Text:
    """Return what stands below pictures: when they begin and end, and what shades mean."""
    begin, middle, end = (clock(start_s + share * seconds) for share in (0.0, 0.5, 1.0))
    times = f"{'':{MARGIN}}{begin}{middle:^{columns - len(begin) - len(end)}}{end}"
    steps = ", ".join(
        f"{shade} {STEP_DB * below:.0f}" for below, shade in enumerate(SHADES[:0:-1], 1)
    )
    return Text(f"{times}\n{'':{MARGIN}}{steps} dB below the loudest octave, or less", "dim")


def _shaded(below_db: Float64) -> Text:
    """Return a character for each level relative to the top."""
    share = np.clip(1.0 + below_db / RANGE_DB, 0.0, 1.0)
    shades = np.ceil(share * (len(SHADES) - 1)).astype(int)
    colours = np.minimum(share * len(COLOURS), len(COLOURS) - 1).astype(int)
    return Text.assemble(*((SHADES[s], COLOURS[c]) for s, c in zip(shades, colours, strict=True)))
