"""Decibels and linear factors."""

from __future__ import annotations

import numpy as np

HIGHEST_GAIN_DB = 24.0  # of a fader: more, by mistake, could hurt


def db_to_gain(gain_db: float) -> float:
    """Convert decibels to a linear factor; ``-inf`` gives 0."""
    return float(10.0 ** (gain_db / 20.0))


def to_db(peak: float) -> float:
    """Convert a linear peak to dBFS; silence is -inf."""
    return float(20.0 * np.log10(peak)) if peak > 0.0 else float("-inf")
