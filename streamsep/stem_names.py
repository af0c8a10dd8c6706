"""What a stem is called: one canonical word, and the others that mean it."""

from __future__ import annotations

from collections.abc import Iterable

BEAT = "beat"  # the mixture without the vocals
BEAT_SYNONYMS = ("accompaniment", "instrumental")


def canonical_stem(name: str, stems: Iterable[str] = ()) -> str:
    """Return what is meant by the name of a stem, wherever one is named.

    ``accompaniment`` and ``instrumental`` mean the beat; all other names mean themselves.

    Parameters
    ----------
    name
        As somebody wrote it.
    stems
        Names that there are: a separator's own name for a stem wins over the canonical one.
    """
    known, words = tuple(stems), (BEAT, *BEAT_SYNONYMS)
    if name in known or name not in words:
        return name
    return next((word for word in words if word in known), BEAT)
