"""Sound in the layout that it came in: which channels are pairs, and in what order they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamsep.dsp.channels import STEREO_GAINS, fold_channels, known_speakers, match_channels
from streamsep.types import Float32

# FFmpeg's order of speakers, which WAV files have too. (`av_channel_name`'s, by their bits.)
ORDER = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC"),
    *("TFR", "TBL", "TBC", "TBR", "DL", "DR", "WL", "WR", "LFE2", "TSL", "TSR", "BFC", "BFL"),
    "BFR",
)
LOW = tuple(name for name, gains in STEREO_GAINS.items() if gains == (0.0, 0.0))
MOST_CHANNELS = 16  # that are kept apart: each pair takes a model of its own


@dataclass(frozen=True, slots=True)
class SpeakerGroups:
    """Which channels of a layout are heard as one sound, by their numbers.

    Attributes
    ----------
    pairs
        Left and right.
    single
        Speakers without another side.
    low
        Those of the low-frequency effects.
    """

    pairs: tuple[tuple[int, int], ...]
    single: tuple[int, ...]
    low: tuple[int, ...]


def kept_order(speakers: tuple[str, ...]) -> tuple[str, ...]:
    """Return speakers in FFmpeg's order; as they are where it isn't known what they are."""
    return tuple(sorted(speakers, key=ORDER.index)) if known_speakers(speakers) else speakers


def speaker_groups(speakers: tuple[str, ...]) -> SpeakerGroups:
    """Return what belongs together of a layout; of speakers that nobody knows each is single."""
    if not known_speakers(speakers):
        return SpeakerGroups((), tuple(range(len(speakers))), ())
    places = {name: number for number, name in enumerate(speakers)}
    pairs = [
        (number, places[_other_side(name)])
        for name, number in places.items()
        if _other_side(name) in places and STEREO_GAINS[name][1] == 0.0
    ]
    low = [number for name, number in places.items() if name in LOW]
    taken = {number for pair in pairs for number in pair} | {*low}
    single = [number for number in range(len(speakers)) if number not in taken]
    return SpeakerGroups(tuple(pairs), tuple(single), tuple(low))


def _other_side(name: str) -> str:
    """Return the speaker on the right of one on the left: FL, FLC, TBL, …"""
    return {"FLC": "FRC"}.get(name, f"{name[:-1]}R" if name.endswith("L") else "")


def arrange(sound: Float32, speakers: tuple[str, ...], wanted: tuple[str, ...]) -> Float32:
    """Return (C, N) of speakers as sound for others: what they have alike, or else a downmix.

    Parameters
    ----------
    sound, speakers
        (C, N), and FFmpeg's name of each channel's.
    wanted
        Those of what is returned.
    """
    if speakers == wanted:
        return sound
    if len(wanted) > 2 and {*speakers} == {*wanted} and known_speakers(speakers):
        return sound[[speakers.index(name) for name in wanted]]
    folded = match_channels(fold_channels(sound, speakers), min(len(wanted), 2))
    if len(wanted) <= 2:
        return folded
    front = [wanted.index(name) if name in wanted else n for n, name in enumerate(("FL", "FR"))]
    arranged = np.zeros((len(wanted), sound.shape[-1]), np.float32)
    arranged[front] = folded
    return arranged


def kept_text(speakers: tuple[str, ...]) -> str:
    """Say how channels that are kept are separated."""
    count = len(speakers)
    if not known_speakers(speakers):
        return f"nothing says where its {count} channels belong: each is separated by itself"
    groups = speaker_groups(speakers)
    pairs = [f"{speakers[left]} with {speakers[right]}" for left, right in groups.pairs]
    told = [*pairs, *(f"{speakers[number]} by itself" for number in groups.single)]
    text = f"its {count} channels ({' '.join(speakers)}) are kept, and separated "
    text += ", ".join(told) or "not at all"
    low = " and ".join(speakers[number] for number in groups.low)
    return text + (f"; {low} stays whole, in the beat" if low else "")
