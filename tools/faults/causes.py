"""The faults, each done to a live run on purpose."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from faults.shim import Shim
from faults.stage import PulseStage, Stage

ALL, WITH_SINKS = ("pulse", "pipewire", "jack"), ("pulse", "pipewire")
HOUR_S = 3_600
LASTS_S = 3.0  # what takes something from the program
SLOW_S = 15.0  # longer than what a recorder holds back


@dataclass
class Run:
    """One life of the program on a stage.

    Attributes
    ----------
    models
        Its model's files, copies.
    records
        What it has printed so far; see docs/usage.md, ``--json``.
    begun
        When its clock was at zero, by `time.monotonic`.
    """

    stage: Stage
    process: subprocess.Popen[str]
    shim: Shim
    models: list[Path]
    recording: Path
    records: list[dict] = field(default_factory=list)
    begun: float = 0.0
    _zero: float = 0.0  # the same by the latest of what it has printed

    def add(self, record: dict) -> None:
        """Note what it has printed just now."""
        self._zero = time.monotonic() - record["time_s"]
        self.begun = self.begun or self._zero
        self.records.append(record)

    @property
    def now_s(self) -> float:
        """What its clock says: late by what was lost, as its recording is."""
        return time.monotonic() - self._zero

    @property
    def status(self) -> dict | None:
        """The latest of what it has printed."""
        return self.records[-1] if self.records else None

    @property
    def events(self) -> list[dict]:
        """All that it has said of what happened."""
        return [event for record in self.records for event in record.get("events", ())]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes
    ----------
    inject
        Returns when the cause has ended, with all there again.
    servers
        Where there is such a thing.
    ends
        Whether the program is to end by it, with all that it has recorded.
    """

    inject: Callable[[Run], None]
    what: str
    servers: tuple[str, ...] = ALL
    ends: bool = False


def _remove_sink(run: Run) -> None:
    assert isinstance(run.stage, PulseStage)
    run.stage.take_away_sink()


def _change_rate(run: Run) -> None:
    if isinstance(run.stage, PulseStage):
        run.stage.take_away_sink(48_000)
    else:
        run.stage.restart(48_000)


def _change_default(run: Run) -> None:
    assert isinstance(run.stage, PulseStage)
    run.stage.change_default()


def _stop(processes: Iterable[int], seconds: float) -> None:
    stopped = list(processes)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    time.sleep(seconds)
    for process in stopped:
        os.kill(process, signal.SIGCONT)


def _starve(run: Run) -> None:
    """Let it run for 5 ms of every 100, for five seconds."""
    for _ in range(50):
        _stop([run.process.pid], 0.095)
        time.sleep(0.005)


def _sleep(run: Run) -> None:
    """Have nobody run for a while in which an hour goes by."""
    run.shim.set(clock_ahead_s=run.shim.get("clock_ahead_s") + HOUR_S)
    _stop([*run.stage.servers(), run.process.pid], LASTS_S)


def _set_clock(run: Run) -> None:
    before = run.shim.get("clock_ahead_s")
    for hours in (1, -1, 0):
        run.shim.set(clock_ahead_s=before + hours * HOUR_S)
        time.sleep(1.0)


def _for_a_while(fault: str, value: int, seconds: float = LASTS_S) -> Callable[[Run], None]:
    def inject(run: Run) -> None:
        run.shim.set(**{fault: value})
        time.sleep(seconds)
        run.shim.set(**{fault: 0})

    return inject


def _fill_memory(run: Run) -> None:
    pages = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[0])
    before = resource.prlimit(run.process.pid, resource.RLIMIT_AS)
    limit = pages * resource.getpagesize()
    resource.prlimit(run.process.pid, resource.RLIMIT_AS, (limit, before[1]))
    time.sleep(LASTS_S)
    resource.prlimit(run.process.pid, resource.RLIMIT_AS, before)


def _replace_model(run: Run) -> None:
    for model in run.models:
        new = model.with_name("other")
        new.write_bytes(b"no model")
        os.replace(new, model)


def _truncate_model(run: Run) -> None:
    for model in run.models:
        os.truncate(model, min(100, model.stat().st_size))


FAULTS = {
    "server-restart": Fault(
        lambda run: run.stage.restart(), "the sound server killed, and back after 2 s"
    ),
    "sink-removed": Fault(_remove_sink, "the output's sink gone for 2 s", WITH_SINKS),
    "rate-changed": Fault(
        _change_rate, "the output gone for 2 s, and back at 48 kHz; of JACK the whole server"
    ),
    "default-changed": Fault(_change_default, "another default sink for 2 s", WITH_SINKS),
    "mic-gone": Fault(
        lambda run: run.stage.take_away_voice(),
        "the microphone's source gone for 2 s; of JACK the client that sings",
    ),
    "late-callback": Fault(
        lambda run: _stop([run.process.pid], 0.3), "all of the program late by 300 ms"
    ),
    "stopped": Fault(lambda run: _stop([run.process.pid], 5.0), "the program stopped for 5 s"),
    "slept": Fault(
        _sleep, "program and server stopped for 3 s, and the clocks an hour ahead after that"
    ),
    "clock-set": Fault(
        _set_clock, "the day's clock set an hour ahead, two hours back, and right again"
    ),
    "starved": Fault(_starve, "5 % of the time for 5 s"),
    "memory-full": Fault(_fill_memory, "not a byte more of memory for 3 s"),
    "slow-disk": Fault(
        _for_a_while("write_ms", 100, SLOW_S), "each write to the recording 100 ms, for 15 s"
    ),
    "disk-full": Fault(_for_a_while("full", 1), "no room for the recording for 3 s"),
    "model-replaced": Fault(_replace_model, "the model's file another one, which is no model"),
    "model-truncated": Fault(_truncate_model, "the model's file cut short where it lies"),
    "terminal-gone": Fault(
        lambda run: run.process.send_signal(signal.SIGHUP), "the terminal closed", ends=True
    ),
}
