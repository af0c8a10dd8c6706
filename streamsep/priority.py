"""Scheduling priority for the threads that must not be late."""

from __future__ import annotations

import os

# Above all ordinary threads, below what the kernel and sound servers use.
AUDIO = 10
WORKER = 5


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
