"""Who is trained on and who is listened to: a split by track, never by excerpt.

Excerpts every half second overlap by more than nine tenths. Drawing *them* at random, as the
tutorial this pipeline descends from does, puts nearly the same sound on both sides and
validates on the training data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

from export.data.manifest import KINDS, Track
from export.errors import DataError


def _rank(seed: int, track: Track) -> str:
    return hashlib.sha256(f"{seed}:{track.id}".encode()).hexdigest()


def assign_splits(
    tracks: Sequence[Track], *, seed: int, valid_share: float, valid_patterns: Sequence[str] = ()
) -> list[Track]:
    """Give every track without a split one of ``"train"`` and ``"valid"``.

    Parameters
    ----------
    tracks
        Tracks that came with an official split keep it.
    seed
        Decides the draw; the same seed and the same tracks give the same split.
    valid_share
        Share of the tracks of each kind that becomes ``"valid"``, rounded down but, where
        there are two tracks or more, at least one.
    valid_patterns
        File-name patterns on track ids. When given, exactly the matching tracks are
        ``"valid"``, nothing is drawn.

    Returns
    -------
    list of Track
        In the order given.

    Raises
    ------
    DataError
        As of `matching`.
    """
    named = {t.id for t in matching(tracks, valid_patterns, "--valid")}
    chosen: set[str] = set()
    for kind in KINDS:
        free = sorted(
            (t for t in tracks if t.kind == kind and not t.split), key=lambda t: _rank(seed, t)
        )
        if valid_patterns:
            chosen |= {t.id for t in free if t.id in named}
        elif valid_share > 0 and len(free) > 1:
            chosen |= {t.id for t in free[: max(1, int(len(free) * valid_share))]}
    return [
        t if t.split else replace(t, split="valid" if t.id in chosen else "train") for t in tracks
    ]


def matching(tracks: Sequence[Track], patterns: Sequence[str], option: str) -> list[Track]:
    """Return the tracks whose ids match one of an option's file-name patterns.

    Raises
    ------
    DataError
        For a pattern that matches no track: a misspelt one would do nothing, and nobody knew.
    """
    for pattern in patterns:
        if not any(fnmatch(t.id, pattern) for t in tracks):
            raise DataError(
                f"{option} {pattern} matches no track",
                expected="a track id, or a pattern of some",
                remedy=f"the first id here is {min(t.id for t in tracks)}",
            )
    return [t for t in tracks if any(fnmatch(t.id, p) for p in patterns)]
