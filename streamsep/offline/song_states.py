"""Whether a song is to be done, was done, or may not be done."""

from __future__ import annotations

from collections.abc import Iterable

from streamsep.offline.made_from import MadeFrom

TO_DO, DONE, TAKEN = "to do", "done", "taken"


def song_state(facts: MadeFrom | None, stems: Iterable[tuple[bool, MadeFrom | None]]) -> str:
    """Return TO_DO, DONE, or TAKEN where the stems' names are those of other files.

    Parameters
    ----------
    facts
        What stems of the song would be made from now; None of what can't be looked at.
    stems
        For each whether there is a file of its name, and what that was made from, if it is known.
    """
    if facts is None:
        return TO_DO
    known = [(there, made_from if there else None) for there, made_from in stems]
    if all(made_from is not None and made_from.is_same(facts) for _, made_from in known):
        return DONE
    return TAKEN if any(there and made_from is None for there, made_from in known) else TO_DO
