"""Memory that is free within the process, and nobody else's as long as the C library keeps it."""

from __future__ import annotations

import ctypes
import sys


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc's does).

    Reading a graph frees several times its size, in pieces between others that are still in use.
    No setting of the process changes. The allocator is locked for milliseconds meanwhile: not for
    where sound plays.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other libraries have none
        if trim is not None:
            trim(0)
