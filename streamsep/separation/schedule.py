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
from streamsep.separation.mirrored_end import mirrored_frames
from streamsep.spec import ModelSpec

# A run may take two thirds of the time until the next: other programs, hot processors.
HEADROOM = 1.5
# More would overfill the session's input ring, and nobody waits so long.
LONGEST_STRIDE_S = 3.0
# Of a graph that takes short windows: what it may be late by before the devices, the share of a
# core that its runs may take, and the fewest frames from run to run that are worth having.
NEARLY_LIVE_S, CORE_SHARE, SHORTEST_STRIDE = 0.29, 0.4, 4
# What a run may take at the pace of the sound, its memory cold, of what it takes run after run.
PACED = 2.2
# Newest frames left unused where nobody hears the latency: more bring nothing.
ENOUGH_TRIM, READ_AHEAD_STRIDE = 16, 8
# Hops from run to run of a prior, best first, and the share of a core that it may take, as measured
# run after run: at the pace of the sound it takes up to twice that.
PRIOR_STRIDES, PRIOR_SHARE = (1, 2, 4, 8), 0.25
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


def measure_run(backend: Backend, for_s: float = MEASURE_S) -> float:
    """Return the median time of a run in seconds, after one that isn't counted.

    At the priority of a session's inference thread, so that what else is going on counts as it
    will.

    Parameters
    ----------
    backend
        What to run.
    for_s
        About how long to measure, at the least FEWEST_RUNS.
    """
    noise = np.random.default_rng(0).standard_normal(backend.features.shape)
    backend.features[...] = noise
    times: list[float] = []
    with promoted(INFERENCE):
        backend.run()
        while len(times) < FEWEST_RUNS or (sum(times) < for_s and len(times) < MOST_RUNS):
            started = time.perf_counter()
            backend.run()
            times.append(time.perf_counter() - started)
    backend.reset()
    return statistics.median(times)


def choose_schedule(spec: ModelSpec, run_s: float, *, read_ahead: bool = False) -> RunSchedule:
    """Choose stride and trim of a sliding model for a machine that runs it in ``run_s``.

    Of long windows (MDX-Net's) the stride is the shortest that leaves the machine its headroom, and
    a quarter of it is trimmed, or as much as the spec asks for if that is more: what comes late
    anyhow may as well be good. Of short ones (``any_frames``) the stride is the shortest within
    CORE_SHARE, and the trim what NEARLY_LIVE_S then leaves, at most ENOUGH_TRIM; a machine that
    isn't fast enough for that trims one frame and is later.

    Parameters
    ----------
    spec
        Of a sliding model.
    run_s
        Of a run, in seconds; see `measure_run`.
    read_ahead
        Latency isn't heard: the sound is that of a file.

    Raises
    ------
    BackendError
        If no stride does, saying how much too slow the machine is.
    """
    if not spec.any_frames:
        return _of_long_windows(spec, run_s)
    hop_s = spec.hop_length / spec.sample_rate
    shortest = READ_AHEAD_STRIDE if read_ahead else SHORTEST_STRIDE
    stride = max(shortest, math.ceil(run_s / (CORE_SHARE * hop_s)))
    slack = math.ceil(PACED * run_s * spec.sample_rate)
    left = int(NEARLY_LIVE_S * spec.sample_rate) - spec.n_fft - slack
    trim = ENOUGH_TRIM if read_ahead else max(1, left // spec.hop_length - (stride - 1))
    trim = min(trim, ENOUGH_TRIM)
    room = spec.frames_per_run - mirrored_frames(spec)
    if stride + trim > room:
        raise _too_slow(spec, run_s, CORE_SHARE * hop_s * (room - trim))
    return _schedule(spec, run_s, stride, trim, slack)


def _of_long_windows(spec: ModelSpec, run_s: float) -> RunSchedule:
    hop_s = spec.hop_length / spec.sample_rate
    frames = spec.frames_per_run - spec.padding_frames
    if spec.feature == "waveform" and spec.transform_delay:
        frames -= 1  # for the fade
    # A window with an end that is made up was taught to give the newest frame.
    longest = 1 if spec.padding_frames else min(frames // 2, int(LONGEST_STRIDE_S / hop_s))
    stride = max(1, math.ceil(HEADROOM * run_s / hop_s))
    if stride > longest:
        raise _too_slow(spec, run_s, longest * hop_s / HEADROOM)
    trim = min(max(spec.lag_frames, stride // 4), frames - longest)
    slack = math.ceil(HEADROOM * run_s * spec.sample_rate)
    return _schedule(spec, run_s, stride, trim, slack)


def _schedule(spec: ModelSpec, run_s: float, stride: int, trim: int, slack: int) -> RunSchedule:
    frames = stride + trim - 1
    latency = frames * spec.hop_length + spec.n_fft + slack
    return RunSchedule(run_s, stride, trim, slack, spec.sample_rate, latency)


def _too_slow(spec: ModelSpec, run_s: float, allowed_s: float) -> BackendError:
    return BackendError(
        f"{spec.name} takes {run_s:.2f} s here for what live has {allowed_s:.2f} s at most: "
        f"{run_s / allowed_s:.1f} times too slow",
        expected="a faster machine or a lighter model",
        remedy="use the device cuda if there is a GPU, or streamsep separate, which may "
        "take its time",
        settings=("device",),
    )


def choose_prior_stride(spec: ModelSpec, run_s: float, *, on_gpu: bool) -> int:
    """Return how many hops a prior is run apart, or 0 where this machine is too slow for it.

    Parameters
    ----------
    spec
        Of the prior.
    run_s
        Of a run over its shortest window, in seconds.
    on_gpu
        Else every hop isn't thought of: what it costs the processor is more than what it gains.
    """
    hop_s = spec.hop_length / spec.sample_rate
    strides = PRIOR_STRIDES if on_gpu else PRIOR_STRIDES[1:]
    return next((n for n in strides if run_s <= PRIOR_SHARE * n * hop_s), 0)
