"""What ``streamsep models import`` is told of a model that its file doesn't say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from streamsep.cli.names import Names
from streamsep.cli.number_types import Finite
from streamsep.spec import NORMALISATIONS, PADDINGS

# Options, by what kind of graph they say something of.
OF_SPECTRA = ("params", "stem", "n_fft", "hop", "compensate", "normalised_stft")
OF_STATES = ("stem", "lookahead", "rate")
OF_SOUND = (
    "stem",
    "window",
    "hop",
    "context",
    "padding",
    "lookahead",
    "normalise",
    "level",
    "rate",
)


@dataclass(frozen=True)
class ImportOptions:
    """What was said of a model on the command line; None for what wasn't."""

    params: Path | None
    n_fft: int | None
    hop: int | None
    stem: tuple[str, ...] | None
    compensate: float | None
    normalised_stft: bool
    window: int | None
    context: int | None
    padding: str | None
    lookahead: int | None
    normalise: str | None
    level: float | None
    rate: int | None
    licence: str

    def only(self, kind: str, *names: str) -> None:
        """Refuse options that say nothing of a kind of model: none is dropped without a word.

        Raises
        ------
        click.UsageError
            Naming them.
        """
        of_others = [
            f"--{name.replace('_', '-')}"
            for name, value in asdict(self).items()
            if value not in (None, False) and name not in (*names, "licence")
        ]
        if of_others:
            raise click.UsageError(
                f"{', '.join(of_others)} can't be said of {kind}; expected "
                f"{', '.join(f'--{n}'.replace('_', '-') for n in names) or 'none of these'}"
            )


OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "--params",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="UVR's model_data.json, for MDX-Net files that streamsep doesn't know.",
    ),
    click.option(
        "--stem",
        type=Names(),
        metavar="NAME,…",
        help="What the model estimates, in its order; beat for the music without voice.  "
        "[default: what is known of it, or vocals]",
    ),
    click.option(
        "--n-fft", type=click.IntRange(2_048, 65_536), metavar="SAMPLES", help="Of spectra."
    ),
    click.option(
        "--hop",
        type=click.IntRange(16, 65_536),
        metavar="SAMPLES",
        help="Between frames of spectra; of waveforms the new samples of a run.",
    ),
    click.option(
        "--compensate",
        type=Finite(0.5, 2.0),
        help="Gain of what it estimates.  [default: 1]",
    ),
    click.option(
        "--normalised-stft", is_flag=True, help="Its spectra are divided by the root of n_fft."
    ),
    click.option(
        "--window",
        type=click.IntRange(64, 4_194_304),
        metavar="SAMPLES",
        help="Of waveforms: samples a run, where the graph takes any number.",
    ),
    click.option(
        "--context",
        type=click.IntRange(0, 4_194_304),
        metavar="SAMPLES",
        help="Of waveforms whose window has an end that is made up: samples before the new ones.",
    ),
    click.option("--padding", type=click.Choice(PADDINGS), help="What that end is made of."),
    click.option(
        "--lookahead",
        type=click.IntRange(0, 4_194_304),
        metavar="SAMPLES",
        help="Of waveforms: newest samples that are left out live, at the least  [default: a "
        "quarter of the new ones]; of graphs with states by how much their output is late.",
    ),
    click.option(
        "--normalise",
        type=click.Choice(NORMALISATIONS),
        help="Of waveforms: what a window is brought to, by level or to mean 0 and deviation 1.",
    ),
    click.option("--level", type=Finite(-60, 0), metavar="DB", help="Of --normalise rms."),
    click.option(
        "--rate",
        type=click.IntRange(8_000, 192_000),
        metavar="HZ",
        help="Of waveforms. [default: 44100]",
    ),
    click.option("--name", help="What to call it.  [default: as the file]"),
    click.option("--licence", default="", metavar="TEXT", help="Its licence, for models list."),
]


def import_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of them, in their order."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function
