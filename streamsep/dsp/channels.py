"""Sound with another number of channels: by where the speakers stand, or by their number alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import sqrt

import numpy as np

from streamsep.types import Float32

HALF_POWER = sqrt(0.5)
# What of each speaker goes to the left and to the right, by FFmpeg's names: the downmix of ITU-R
# BS.775, which FFmpeg has too. The effects channel (LFE) is made for a speaker of its own, 10 dB
# louder than it is recorded, and is left out.
STEREO_GAINS: dict[str, tuple[float, float]] = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
    "FC": (HALF_POWER, HALF_POWER),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BL": (HALF_POWER, 0.0),
    "BR": (0.0, HALF_POWER),
    "SL": (HALF_POWER, 0.0),
    "SR": (0.0, HALF_POWER),
    "BC": (0.5, 0.5),
    "WL": (1.0, 0.0),
    "WR": (0.0, 1.0),
    "TFL": (HALF_POWER, 0.0),
    "TFR": (0.0, HALF_POWER),
    "TSL": (HALF_POWER, 0.0),
    "TSR": (0.0, HALF_POWER),
    "TBL": (0.5, 0.0),
    "TBR": (0.0, 0.5),
    "BFL": (HALF_POWER, 0.0),
    "BFR": (0.0, HALF_POWER),
    "TC": (0.5, 0.5),
    "TFC": (0.5, 0.5),
    "TBC": (0.5, 0.5),
    "BFC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
}
# What so many channels mean where the file doesn't say, by the order of FLAC's definition.
USUAL_SPEAKERS: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
STEREO = USUAL_SPEAKERS[2]
# FFmpeg's names of layouts; those without a name are described, as "3 channels (FL+FR+LFE)".
LAYOUTS = {
    "mono": "FC",
    "stereo": "FL FR",
    "downmix": "DL DR",
    "2.1": "FL FR LFE",
    "3.0": "FL FR FC",
    "3.0(back)": "FL FR BC",
    "4.0": "FL FR FC BC",
    "quad": "FL FR BL BR",
    "quad(side)": "FL FR SL SR",
    "3.1": "FL FR FC LFE",
    "5.0": "FL FR FC BL BR",
    "5.0(side)": "FL FR FC SL SR",
    "4.1": "FL FR FC LFE BC",
    "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR",
    "6.0": "FL FR FC BC SL SR",
    "6.0(front)": "FL FR FLC FRC SL SR",
    "3.1.2": "FL FR FC LFE TFL TFR",
    "hexagonal": "FL FR FC BL BR BC",
    "6.1": "FL FR FC LFE BC SL SR",
    "6.1(back)": "FL FR FC LFE BL BR BC",
    "6.1(front)": "FL FR LFE FLC FRC SL SR",
    "7.0": "FL FR FC BL BR SL SR",
    "7.0(front)": "FL FR FC FLC FRC SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR",
    "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
    "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR",
    "5.1.2": "FL FR FC LFE SL SR TFL TFR",
    "octagonal": "FL FR FC BL BR BC SL SR",
    "cube": "FL FR BL BR TFL TFR TBL TBR",
    "5.1.4": "FL FR FC LFE SL SR TFL TFR TBL TBR",
    "7.1.2": "FL FR FC LFE BL BR SL SR TFL TFR",
    "7.1.4": "FL FR FC LFE BL BR SL SR TFL TFR TBL TBR",
}


def speakers_of(layout: str, count: int) -> tuple[str, ...]:
    """Return the names of the channels of a layout by FFmpeg's name for it.

    Where it has none, they are what so many channels usually are.
    """
    if layout in LAYOUTS:
        return tuple(LAYOUTS[layout].split())
    described = re.fullmatch(r"\d+ channels \((.*)\)", layout)
    names = tuple(described[1].split("+")) if described else ()
    return names if len(names) == count else USUAL_SPEAKERS.get(count, ("NONE",) * count)


def match_channels(sound: Float32, channels: int) -> Float32:
    """Return (C, N) as (``channels``, N): mono is copied to all, more are folded by averaging."""
    if len(sound) == channels:
        return sound
    if len(sound) == 1:
        return np.repeat(sound, channels, axis=0)
    folded = [sound[index::channels].mean(axis=0) for index in range(min(channels, len(sound)))]
    return np.stack(folded).astype(np.float32)


def fold_channels(sound: Float32, speakers: Sequence[str]) -> Float32:
    """Return (C, N) as mono, where it is that, or else as stereo (2, N), by its speakers.

    Parameters
    ----------
    sound
        (C, N).
    speakers
        FFmpeg's name of each channel's; where one isn't known, every other channel goes to the
        right.
    """
    if len(sound) == 1 or tuple(speakers) == STEREO:
        return sound
    if not known_speakers(speakers):
        return match_channels(sound, 2)
    gains = np.array([STEREO_GAINS[name] for name in speakers], np.float32).T
    # (No matrix product: BLAS's threads would take the model's core.)
    folded = np.zeros((2, sound.shape[-1]), np.float32)
    for side, row in zip(folded, gains, strict=True):
        for gain, channel in zip(row, sound, strict=True):
            if gain:
                side += gain * channel
    return folded


def known_speakers(speakers: Sequence[str]) -> bool:
    """Say whether it is known of each where it stands, and of no two that they are one."""
    return len(set(speakers)) == len(speakers) and all(name in STEREO_GAINS for name in speakers)


def folded_text(speakers: tuple[str, ...]) -> str:
    """Say how channels become two."""
    count = len(speakers)
    if not known_speakers(speakers):
        return (
            f"nothing says where its {count} channels belong: they go to the left and to the "
            "right by turns"
        )
    left_out = [name for name in speakers if STEREO_GAINS[name] == (0.0, 0.0)]
    middle = [name for name in speakers if len(set(STEREO_GAINS[name])) == 1]
    middle = [name for name in middle if name not in left_out]
    text = f"its {count} channels ({' '.join(speakers)}) are mixed to stereo by ITU-R BS.775"
    if middle:
        text += f", {' and '.join(middle)} to both sides alike"
    return text + (f", {' and '.join(left_out)} left out" if left_out else "")
