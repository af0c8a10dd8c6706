"""Numbers on the command line: what they are read as, and which are refused."""

from __future__ import annotations

import math
from typing import Any

import click

MOST = 1e9  # seconds, gigabytes, steps: what is made of more isn't exact any longer, or infinite


class Finite(click.FloatRange):
    """A number in a range; neither NaN, which compares with nothing, nor one beyond all use."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse what nothing can be counted by besides what the range refuses."""
        number: float = super().convert(value, param, ctx)
        if not abs(number) <= MOST:
            self.fail(f"{value!r} is no number to work with", param, ctx)
        return number


class Decibels(click.FloatRange):
    """A gain of at most +24 dB; ``-inf`` mutes."""

    name = "gain in dB"

    def __init__(self) -> None:
        from streamsep.dsp.decibels import HIGHEST_GAIN_DB  # with numpy, which help doesn't need

        super().__init__(max=HIGHEST_GAIN_DB)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse NaN besides what the range refuses."""
        gain_db: float = super().convert(value, param, ctx)
        if math.isnan(gain_db):
            self.fail(f"{value!r} is no gain", param, ctx)
        return gain_db
