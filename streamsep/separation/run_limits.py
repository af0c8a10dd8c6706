"""Limits of what models may take: memory of them all together, and the time of each load and run.

A graph is a program: small files can ask for terabytes, or loop for ever. onnxruntime stops what
it computes between two operators; what a single operator may take is limited by its memory alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import onnxruntime as ort

from streamsep.errors import first_line

MOST_MEMORY = 0.5  # of the machine's
# The arena begins so large: what is never used of it takes no memory, and pieces of it join again,
# whereas of the many smaller ones that onnxruntime would add none can hold the next larger array.
FIRST_BYTES = 2**27
UNKNOWN_BYTES = 2**33  # where the system doesn't tell its size
MOST_S = 120.0  # of one load or run, by far more than any model takes
TICK_S = 1.0
REFUSED = "smaller than requested", "Failed to allocate", "bad_alloc"  # in onnxruntime's errors

_memory_mb: int | None = None
_lock = threading.Lock()


def limit_memory(options: Any) -> None:
    """Have a session of these options share the one limited arena of memory."""
    global _memory_mb
    with _lock:
        if _memory_mb is None:
            _memory_mb = _machine_mb()
            info = ort.OrtMemoryInfo(
                "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
            )
            limits = {"max_mem": _memory_mb * 1_000_000, "initial_chunk_size_bytes": FIRST_BYTES}
            ort.create_and_register_allocator(info, ort.OrtArenaCfg(limits))
    options.add_session_config_entry("session.use_env_allocators", "1")


def _machine_mb() -> int:
    size = UNKNOWN_BYTES
    if os.name == "posix":
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(MOST_MEMORY * size / 1e6)


class TimeLimit:
    """Stops a load or run that takes too long; for one model.

    Attributes
    ----------
    over
        Whether the last one was stopped.
    """

    def __init__(self) -> None:
        self._options: Sequence[Any] = ()
        self._ticks = 0
        self.over = False
        _WATCH.add(self)

    def begin(self, options: Sequence[Any]) -> None:
        """Note that a load or run with these options of onnxruntime begins."""
        self._ticks, self.over, self._options = 0, False, options

    def end(self) -> None:
        """Note that it has ended."""
        if self.over:
            _stop(self._options, False)
        self._options = ()

    def tick(self) -> None:
        """Count: a program that stood still, or slept, hasn't computed meanwhile."""
        options = self._options
        if options:
            self._ticks += 1
            if self._ticks * TICK_S > MOST_S:
                self.over = True
                _stop(options, True)

    def why(self, error: Exception) -> str:
        """Return the reason why a load or run failed, in a line."""
        if self.over:
            return f"it computes for more than {MOST_S:g} s at a time"
        if any(words in str(error) for words in REFUSED):
            return f"it asks for more than the {_memory_mb} MB that models may have here"
        return first_line(error)


def _stop(options: Sequence[Any], stop: bool) -> None:
    for each in options:
        if isinstance(each, ort.SessionOptions):
            each.set_load_cancellation_flag(stop)
        else:
            each.terminate = stop


class _Watch:
    """One thread that counts for all models, for as long as there are any."""

    def __init__(self) -> None:
        self._limits: WeakSet[TimeLimit] = WeakSet()
        self._lock = threading.Lock()
        self._running = False

    def add(self, limit: TimeLimit) -> None:
        with self._lock:
            self._limits.add(limit)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="model limits", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(TICK_S)
            with self._lock:
                limits = list(self._limits)
                if not limits:
                    self._running = False
                    return
            for limit in limits:
                limit.tick()
            del limits


_WATCH = _Watch()
