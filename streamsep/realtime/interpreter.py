"""The interpreter's settings while an audio callback runs in it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# With Python's 5 ms a busy thread holds the audio callback up for longer than a device block.
SWITCH_INTERVAL_S = 0.0005


@contextmanager
def low_latency_interpreter() -> Iterator[None]:
    """Freeze the garbage collector and shorten the thread switch interval for a while.

    Both hold for the whole process.
    """
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(switch_interval)
