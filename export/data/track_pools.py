"""Pools of prepared tracks to draw from: which have the stems asked for, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from export.data.audio import SILENT_RMS, Audio, Folder, read_part, rms
from export.data.manifest import BANDS, Track
from export.errors import DataError

# What a training item can be: an excerpt of a true song, a band alone, a voice alone, or a voice
# over a band that it was never recorded with.
SONG, VOCAL_FREE, VOICE_ONLY, MIX = "song", "vocal_free", "voice_only", "mix"

TRIES = 5  # for a place in which something sounds


@dataclass(frozen=True, slots=True)
class MixShares:
    """What training items are, and what kinds of tracks they are made of.

    Attributes
    ----------
    items
        Share of each kind of item, as of `draw_item_kind`.
    songs, voices, bands
        Share of each kind of track among true songs, and among the voices and bands of mixes, as of
        `pools`.
    """

    items: Mapping[str, float]
    songs: Mapping[str, float]
    voices: Mapping[str, float]
    bands: Mapping[str, float]


def draw_item_kind(rng: np.random.Generator, shares: Mapping[str, float], *, songs: bool) -> str:
    """Draw what a training item is to be.

    Parameters
    ----------
    shares
        Share of the items of each kind, by `SONG`, `VOCAL_FREE` and `VOICE_ONLY`; what they leave
        of 1 is that of `MIX`.
    songs
        Whether there are true songs to draw; if not, their share goes to the mixes, and that of
        everything else stays as it is stated.

    Returns
    -------
    str
        `SONG`, `VOCAL_FREE`, `VOICE_ONLY` or `MIX`.
    """
    point, end = rng.random(), 0.0
    for kind, share in shares.items():
        end += share
        if point < end:
            return MIX if kind == SONG and not songs else kind
    return MIX


def pools(
    tracks: Sequence[Track], name: str, shares: Mapping[str, float]
) -> list[tuple[float, list[Track]]]:
    """Group the tracks that hold a file by kind, each kind with its share of the draws.

    Parameters
    ----------
    name
        What the file holds: ``"vocals"``, ``"accompaniment"`` or a stem.
    shares
        Share of each kind; they are scaled so that those of the kinds that are there sum to 1.
    """
    found = {kind: [t for t in tracks if t.kind == kind and name in t.files] for kind in shares}
    total = sum(shares[kind] for kind, members in found.items() if members)
    return [(shares[kind] / total, members) for kind, members in found.items() if members]


def draw_track(rng: np.random.Generator, pools: list[tuple[float, list[Track]]]) -> Track:
    """Draw a kind by its share, then one of its tracks by the root of its length.

    The root keeps one long track from drowning many short ones.
    """
    members = pools[rng.choice(len(pools), p=[share for share, _ in pools])][1]
    weights = np.sqrt([t.samples for t in members])
    return members[rng.choice(len(members), p=weights / weights.sum())]


def tracks_with(tracks: Sequence[Track], stems: Sequence[str]) -> list[Track]:
    """Return the tracks of which a mixture and these stems in it are known.

    Of a vocal-free piece the vocals are: silence.

    Raises
    ------
    DataError
        If there are none.
    """
    known = [track for track in tracks if _known(track).issuperset(stems)]
    if not known:
        others = sorted(set[str]().union(*map(_known, tracks)))
        raise DataError(
            f"no track to train {', '.join(stems)} on",
            expected=f"songs with these stems; the tracks here have {', '.join(others) or 'none'}",
            remedy="prepare some, or choose others with --stems",
        )
    return known


def _known(track: Track) -> set[str]:
    if track.kind not in BANDS:
        return set()
    return {*track.files, "vocals"} - {"mixture"}


def read_sounding_part(
    rng: np.random.Generator, folder: Folder, track: Track, names: Sequence[str], samples: int
) -> list[Audio]:
    """Read a random part of a track's files, where the first of them sounds if that can be found.

    Parameters
    ----------
    folder
        The prepared folder.
    names
        Which files, by what they hold.

    Returns
    -------
    list of ndarray
        float32, shape (2, samples) each, from one place; zeros past the track's end.
    """
    for _ in range(TRIES):
        start = int(rng.integers(max(track.samples - samples, 0) + 1))
        first = read_part(folder / track.files[names[0]], start, samples)
        if rms(first) > SILENT_RMS:
            break
    others = [read_part(folder / track.files[name], start, samples) for name in names[1:]]
    return [first, *others]
