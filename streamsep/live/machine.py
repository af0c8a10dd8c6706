"""What there is of this machine, and how fast a separator runs on it."""

from __future__ import annotations

import math
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from streamsep.priority import INFERENCE, promoted
from streamsep.separation import Separator
from streamsep.separation.schedule import HEADROOM, RunSchedule
from streamsep.spec import ModelSpec

MEMINFO = Path("/proc/meminfo")
MEASURE_S = 0.05  # somebody waits for the music
MOST_RUNS = 5


def cores_here() -> int:
    """Return the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> float | None:
    """Return the bytes of memory that programs can still have, None where that isn't known."""
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1_024.0 * int(line.split()[1])
    return None


def run_schedule(separator: Separator) -> RunSchedule | None:
    """Return how a separator of a model file runs here; None where it is too slow.

    What was measured when it was loaded is taken for that. Otherwise some blocks of noise are
    separated, after one that isn't counted, at the priority of a session's inference thread.
    """
    known: RunSchedule | None = getattr(separator, "schedule", None)
    spec = separator.spec
    if known is not None or not isinstance(spec, ModelSpec):
        return known
    size, rate = separator.block_size, spec.sample_rate
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (spec.channels, size)).astype(np.float32)
    stems = np.zeros((len(separator.stems), *noise.shape), np.float32)
    times: list[float] = []
    with promoted(INFERENCE):
        separator.process(noise, stems)
        while not times or (sum(times) < MEASURE_S and len(times) < MOST_RUNS):
            started = time.perf_counter()
            separator.process(noise, stems)
            times.append(time.perf_counter() - started)
    separator.reset()
    run_s = statistics.median(times)
    if HEADROOM * run_s > size / rate:
        return None
    slack = math.ceil(HEADROOM * run_s * rate)
    hops = size // spec.hop_length
    latency = size + separator.delay + slack
    return RunSchedule(run_s, hops, spec.lag_frames, slack, rate, latency)
