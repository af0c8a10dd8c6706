"""One look for everything that takes long: what, how far, how long it took, how long it will."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def make_progress(*, shown: bool = True) -> Progress:
    """Return a progress display with time passed and time left, on standard error's console.

    Parameters
    ----------
    shown
        Whether anything is to be seen of it: of several processes one shows theirs.
    """
    from rich.console import Console

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown,
    )
