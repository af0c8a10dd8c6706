"""What a key does to a fader."""

from __future__ import annotations

import math

from streamsep.tui.view import FADER_CEILING_DB, FADER_FLOOR_DB

GUIDE_STEP_PERCENT = 5


def moved(name: str, gain_db: float, steps: int) -> float:
    """Return a fader's gain, in decibels, after so many steps up, or down if negative.

    The guide moves by 5 % from 0 to 100 %, the others by 1 dB; below the lowest there is
    silence, ``-inf``.
    """
    if name == "guide":
        percent = 100.0 * 10.0 ** (gain_db / 20.0)
        step = round(percent / GUIDE_STEP_PERCENT) + steps
        percent = min(max(GUIDE_STEP_PERCENT * step, 0), 100)
        return 20.0 * math.log10(percent / 100.0) if percent else -math.inf
    if math.isinf(gain_db):
        return FADER_FLOOR_DB + steps - 1 if steps > 0 else gain_db
    gain_db = min(round(gain_db) + steps, max(FADER_CEILING_DB, gain_db))
    return gain_db if gain_db >= FADER_FLOOR_DB else -math.inf
