"""Scheduling priority for the threads that must not be late."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Above all ordinary threads, below what the kernel and sound servers use.
AUDIO = 10
INFERENCE = 5
# All other threads of a live session: whoever holds Python's lock holds up the audio thread, so
# none of them may be put off by another program.
OTHERS = 1


def promote(priority: int) -> bool:
    """Ask for real-time scheduling of the calling thread and say whether it was granted.

    Linux only (Windows and macOS promote audio callbacks themselves); refused without
    CAP_SYS_NICE or an ``rtprio`` limit, in which case all goes on as before.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except (AttributeError, OSError):
        return False
    return True


def give_way() -> None:
    """Have the calling thread, started by a promoted one, stand behind that as all others do."""
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_RR:
        promote(OTHERS)


@contextmanager
def promoted(priority: int) -> Iterator[None]:
    """`promote` the calling thread, and what threads it starts, for the time of a context."""
    before = None
    if hasattr(os, "sched_getscheduler"):
        before = os.sched_getscheduler(0), os.sched_getparam(0)
    granted = promote(priority)
    try:
        yield
    finally:
        if granted and before is not None:
            os.sched_setscheduler(0, *before)
