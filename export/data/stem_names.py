"""Names of stems: which can be trained together, and what the host calls them."""

from __future__ import annotations

from collections.abc import Sequence

from export.errors import DataError
from streamsep.spec import MAX_STEMS, STEM_NAME
from streamsep.stem_names import canonical_stem


def check_stems(stems: Sequence[str]) -> None:
    """Refuse stems that no model can have together.

    Raises
    ------
    DataError
        For none or more than a model can have, for two of one name, for names that can't be part
        of a file's, and for those that hold others: the mixture, its rest, and the accompaniment
        beside its parts.
    """
    fits = 1 <= len(stems) <= MAX_STEMS and len(set(stems)) == len(stems)
    fits &= all(STEM_NAME.fullmatch(stem) for stem in stems)
    fits &= not {"mixture", "rest"}.intersection(stems)
    if not fits or ("accompaniment" in stems and not {"accompaniment", "vocals"}.issuperset(stems)):
        raise DataError(
            f"the stems {', '.join(stems) or 'none'} can't be told apart",
            expected=f"1 to {MAX_STEMS} different names of letters, digits, '_' and '-', not "
            "mixture or rest, and accompaniment only alone or with vocals",
            remedy="choose others with --stems",
        )


def host_names(stems: Sequence[str]) -> tuple[str, ...]:
    """Return what the host calls the stems of tracks."""
    return tuple(canonical_stem(stem) for stem in stems)
