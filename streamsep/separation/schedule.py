"""How often a whole-window graph can be run live here, and what that costs in latency."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass

import numpy as np

from streamsep.errors import BackendError
from streamsep.priority import INFERENCE, promoted
from streamsep.separation.backend import Backend
from streamsep.spec import ModelSpec

# A run may take two thirds of the time until the next: other programs, hot processors.
HEADROOM = 1.5
# More would overfill the session's input ring, and nobody waits so long.
LONGEST_STRIDE_S = 3.0
MEASURE_S = 0.5
FEWEST_RUNS, MOST_RUNS = 2, 10


@dataclass(frozen=True, slots=True)
class RunSchedule:
    """When a window is run, and which of its estimates are used.

    Attributes
    ----------
    run_s
        Measured time of one run.
    stride_frames
        New frames from run to run.
    trim_frames
        Newest frames whose estimates are left unused: they lack what comes after them.
    slack
        Samples that a session has to wait for a run.
    sample_rate
        The model's.
    latency
        Samples from input to output in all, the devices aside.
    """

    run_s: float
    stride_frames: int
    trim_frames: int
    slack: int
    sample_rate: int
    latency: int

    def __str__(self) -> str:
        return (
            f"runs in {1_000 * self.run_s:.0f} ms here: every {self.stride_frames} frames, the "
            f"newest {self.trim_frames} trimmed, {self.latency / self.sample_rate:.2f} s late"
        )


def measure_run(backend: Backend) -> float:
    """Return the median time of a run in seconds, after one that isn't counted.

    At the priority of a session's inference thread, so that what else is going on counts as it
    will.
    """
    noise = np.random.default_rng(0).standard_normal(backend.features.shape)
    backend.features[...] = noise
    times: list[float] = []
    with promoted(INFERENCE):
        backend.run()
        while len(times) < FEWEST_RUNS or (sum(times) < MEASURE_S and len(times) < MOST_RUNS):
            started = time.perf_counter()
            backend.run()
            times.append(time.perf_counter() - started)
    backend.reset()
    return statistics.median(times)


def choose_schedule(spec: ModelSpec, run_s: float) -> RunSchedule:
    """Choose stride and trim of a sliding model for a machine that runs it in ``run_s``.

    The stride is the shortest that leaves the machine its headroom. A quarter of it is trimmed,
    or as much as the spec asks for if that is more: what comes late anyhow may as well be good.

    Raises
    ------
    BackendError
        If no stride does, saying how much too slow the machine is.
    """
    hop_s = spec.hop_length / spec.sample_rate
    longest = min(spec.frames_per_run // 2, int(LONGEST_STRIDE_S / hop_s))
    stride = max(1, math.ceil(HEADROOM * run_s / hop_s))
    if stride > longest:
        allowed_s = longest * hop_s / HEADROOM
        raise BackendError(
            f"{spec.name} takes {run_s:.2f} s here for what live has {allowed_s:.2f} s at most: "
            f"{run_s / allowed_s:.1f} times too slow",
            expected="a faster machine or a lighter model",
            remedy="use the device cuda if there is a GPU, or streamsep separate, which may "
            "take its time",
            settings=("device",),
        )
    trim = min(max(spec.lag_frames, stride // 4), spec.frames_per_run - longest)
    slack = math.ceil(HEADROOM * run_s * spec.sample_rate)
    frames = stride + trim - 1
    return RunSchedule(
        run_s,
        stride,
        trim,
        slack,
        spec.sample_rate,
        frames * spec.hop_length + spec.n_fft + slack,
    )
