"""Pools of prepared tracks to draw from: which have the stems asked for, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.data.manifest import BANDS, Track
from export.errors import DataError


def pools(
    tracks: Sequence[Track], name: str, shares: dict[str, float]
) -> list[tuple[float, list[Track]]]:
    """Group the tracks that hold ``name`` by kind, each with its share of the draws."""
    found = {kind: [t for t in tracks if t.kind == kind and name in t.files] for kind in shares}
    total = sum(shares[kind] for kind, members in found.items() if members)
    return [(shares[kind] / total, members) for kind, members in found.items() if members]


def draw_track(rng: np.random.Generator, pools: list[tuple[float, list[Track]]]) -> Track:
    """Draw a kind by its share, then a track; the root keeps one long track from drowning many."""
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
