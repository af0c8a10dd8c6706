"""Contenders against each other: all are loaded, and take turns in rounds.

A busy machine slows all of a round alike, but for one thing: a short step mostly gets by between
two interruptions, and a long one never does. So ratios are of processor time where that is the
computing time, with one core and no GPU.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contenders import CONTENDERS

ROOT = Path(__file__).parents[2]
BASE = "live"  # what ratios are to
PERCENTILES = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9}


@dataclass(frozen=True)
class Plan:
    """How long everything takes."""

    rounds: int
    slice_s: float
    pace_s: float
    device: str
    cpus: tuple[int, ...]


def environment(threads: int) -> dict[str, str]:
    """Of a measured process: this clone's code, and so many threads in every library."""
    path = [str(ROOT), str(ROOT / "tools"), *filter(None, [os.environ.get("PYTHONPATH")])]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": os.pathsep.join(path)}


def pinned(cpus: tuple[int, ...]) -> Callable[[], None]:
    """Return what binds a new process to processors; nothing where that can't be done."""

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cpus)

    return pin


@dataclass
class Runner:
    """A contender's process and all that it has told."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    paced: list[dict[str, Any]] = field(default_factory=list)
    peak_mb: float | None = None

    @property
    def available(self) -> bool:
        return "unavailable" not in self.about

    def answer(self) -> dict[str, Any]:
        """Wait for a line; a process that ended is no longer available."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return {"unavailable": f"ended with exit code {self.process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def order(self, what: str, seconds: float) -> None:
        """Have it run or pace for so long, and keep the result."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the answer says that it ended
            print(json.dumps({what: seconds}), file=self.process.stdin, flush=True)
        answer = self.answer()
        if "unavailable" in answer:
            self.about = answer
            return
        self.peak_mb = answer["peak_mb"]
        if answer[what] is not None:
            (self.runs if what == "run" else self.paced).append(answer[what])

    def result(self, base: Runner | None, clock: str) -> dict[str, Any]:
        """Return what is reported; ratios are to ``base``'s same rounds, by ``clock``."""
        head = {"name": self.name}
        if not self.available:
            return head | {"unavailable": self.about["unavailable"]}
        period = self.about["period_s"]
        times = np.concatenate([run["times_s"] for run in self.runs])
        factors = self.factors()
        ratio = None
        if base is not None and base.available:
            pairs = zip(self.factors(clock), base.factors(clock), strict=True)
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        blocks = sum(paced["blocks"] for paced in self.paced)
        paced_p99 = None
        cpu = sum(sum(run["cpu_times_s"]) for run in self.runs) / (period * len(times))
        if blocks:
            cpu = sum(paced["cpu_s"] for paced in self.paced) / (period * blocks)
            paced_times = np.concatenate([paced["times_s"] for paced in self.paced])
            paced_p99 = 1e3 * float(np.percentile(paced_times, 99.0))
        return head | {
            "provider": self.about["provider"],
            "stood_in": self.about["stood_in"],
            "ratio": ratio,
            "real_time_factor": statistics.median(factors),
            "round_factors": factors,
            "round_cpu_factors": self.factors("cpu_times_s"),
            "hop_ms": 1e3 * period,
            "steps": len(times),
            "load_ms": 1e3 * self.about["load_s"],
            "first_ms": 1e3 * self.about["first_s"],
            **{key: 1e3 * float(np.percentile(times, p)) for key, p in PERCENTILES.items()},
            "max_ms": 1e3 * float(times.max()),
            "cpu_share": cpu,
            "peak_mb": self.peak_mb,
            "paced_blocks": blocks,
            "paced_p99_ms": paced_p99,
            "misses": sum(paced["misses"] for paced in self.paced),
        }

    def factors(self, clock: str = "times_s") -> list[float]:
        """Return the real-time factor of each round: the median step over what it takes in."""
        return [statistics.median(run[clock]) / self.about["period_s"] for run in self.runs]


@contextmanager
def running(name: str, plan: Plan, graph: Path | None) -> Iterator[Runner]:
    """Start a contender's process; end it."""
    command = [sys.executable, "-m", "benchmark.child", name, plan.device, str(len(plan.cpus))]
    process = subprocess.Popen(
        [*command, *([str(graph)] if graph else [])],
        env=environment(len(plan.cpus)),
        preexec_fn=pinned(plan.cpus),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Runner(name, process)
    finally:
        process.kill()
        process.communicate()


def compare(
    names: list[str], plan: Plan, folder: Path, advance: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure contenders and return a result for each.

    Parameters
    ----------
    names
        In ``CONTENDERS``.
    folder
        For graphs with random weights.
    advance
        Called before each of `steps` steps with what is being done.
    """
    with ExitStack() as stack:
        runners = []
        for name in names:
            advance(f"loading {name}")
            graph, trouble = _graph(name, folder)
            runner = stack.enter_context(running(name, plan, graph))
            runner.about = {"unavailable": trouble} if trouble else runner.answer()
            runners.append(runner)
        for number in range(plan.rounds):
            for what, seconds in (("run", plan.slice_s), ("pace", plan.pace_s)):
                for runner in runners:
                    advance(f"round {number + 1}: {runner.name}")
                    if runner.available:
                        runner.order(what, seconds)
        base = next((runner for runner in runners if runner.name == BASE), None)
        clock = "cpu_times_s" if plan.device == "cpu" and len(plan.cpus) == 1 else "times_s"
        return [runner.result(base, clock) for runner in runners]


def steps(names: list[str], plan: Plan) -> int:
    """Return how often `compare` calls ``advance``."""
    return len(names) * (1 + 2 * plan.rounds)


def _graph(name: str, folder: Path) -> tuple[Path | None, str | None]:
    """Make a contender's graph, in a process of its own; return its path, or what is wrong."""
    wanted = CONTENDERS[name].graph
    if wanted is None:
        return None, None
    path = folder / f"{wanted}.onnx"
    made = subprocess.run(
        [sys.executable, "-m", "benchmark.graphs", wanted, str(path)],
        env=environment(1),
        capture_output=True,
        text=True,
    )
    if made.returncode == 0:
        return path, None
    return path, (made.stderr.strip().splitlines() or ["its graph can't be made"])[-1]
