"""One contender in a process of its own; obeys lines of JSON.

    python -m benchmark.child NAME DEVICE THREADS [GRAPH]

``{"run": S}`` steps for so many seconds, ``{"pace": S}`` does it at the pace of the sound.
Every line is answered by one; the first answer comes without a question.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

# A piece that is longer than this is no hop: nobody listens to it live.
LONGEST_HOP_S = 1.0
SOUND_S = 2.0  # then it comes again


def memory_mb(field: str, pid: int | str = "self") -> float | None:
    """Return VmHWM (peak) or VmRSS (now) of a process in MB, None where /proc isn't.

    Not getrusage: its peak includes the process that this one was forked from.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{field}:")), None)
    return None if found is None else int(found.split()[1]) * 1024 / 1e6


class Runner:
    """Steps a contender over made-up music."""

    def __init__(self, name: str, device: str, threads: int, graph: Path | None) -> None:
        import numpy as np

        from benchmark.contenders import CONTENDERS, RATE, stood_in
        from testing.signals import music

        before = time.perf_counter()
        self.contender = CONTENDERS[name].build(device, threads, graph)
        self.load_s = time.perf_counter() - before
        samples = self.contender.samples
        self.stood_in = stood_in
        self.period_s = samples / RATE
        blocks = max(1, round(SOUND_S / self.period_s))
        sound = music(blocks * self.period_s)[:, : blocks * samples]
        pieces = np.split(sound, blocks, axis=-1)
        self._blocks = cycle([np.ascontiguousarray(piece) for piece in pieces])

    def step(self) -> tuple[float, float]:
        """Return the seconds that a step took, and those of them on processors."""
        block = next(self._blocks)
        cpu, started = time.process_time(), time.perf_counter()
        self.contender.step(block)
        return time.perf_counter() - started, time.process_time() - cpu

    def run(self, seconds: float) -> dict[str, Any]:
        steps: list[tuple[float, float]] = []
        until = time.perf_counter() + seconds
        while not steps or time.perf_counter() < until:
            steps.append(self.step())
        times, cpu_times = zip(*steps, strict=True)
        return {"times_s": times, "cpu_times_s": cpu_times}

    def pace(self, seconds: float) -> dict[str, Any] | None:
        """A block is missed when it isn't done before the next one is there."""
        if self.period_s > LONGEST_HOP_S:
            return None
        misses = blocks = 0
        times = []
        cpu, started = time.process_time(), time.perf_counter()
        while time.perf_counter() - started < seconds:
            due = started + blocks * self.period_s
            time.sleep(max(0.0, due - time.perf_counter()))
            times.append(self.step()[0])
            blocks += 1
            misses += time.perf_counter() > due + self.period_s
        cpu = time.process_time() - cpu
        return {"blocks": blocks, "misses": misses, "cpu_s": cpu, "times_s": times}


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(what: object) -> None:
        print(json.dumps(what), file=answers, flush=True)

    name, device, threads, *graph = sys.argv[1:]
    try:
        runner = Runner(name, device, int(threads), Path(graph[0]) if graph else None)
    except ModuleNotFoundError as error:
        answer({"unavailable": f"not installed: {error.name}"})
        return
    except Exception as error:
        answer({"unavailable": f"can't be built: {type(error).__name__}: {error}"[:200]})
        return
    answer(
        {
            "period_s": runner.period_s,
            "load_s": runner.load_s,
            "provider": runner.contender.provider,
            "first_s": runner.step()[0],
            "stood_in": runner.stood_in,
        }
    )
    for line in sys.stdin:
        ((order, seconds),) = json.loads(line).items()
        done = runner.run(seconds) if order == "run" else runner.pace(seconds)
        answer({"peak_mb": memory_mb("VmHWM"), order: done})


if __name__ == "__main__":
    main()
