"""What happens to live sound when something around it fails: faults on purpose, and the outcome.

    python tools/chaos.py --fault server-restart --server pulse --seconds 20
    python tools/chaos.py --seconds 1800 --write docs/reliability.md   # all: hours

A private sound server, a player, `streamsep live` with a recording. Within the given time the
fault comes again and again, at random moments by the seed. After each: how long until sound is at
the output again, whether the latency reported is the one measured; at the end whether the
recording is as long as the run, and whether anything is left behind in the server. Exit code 1 if
not. `--write` puts the table between the two marks of a page.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).parent.parent))

import streamsep
from streamsep.errors import OutputError
from testing.servers import SoundServer, Take, pipewire_server, pulse_server, wait_until
from testing.signals import music

RATE = 44_100
SONG_S = 60.0
BACK_S = 2.0  # from the end of a cause until there is sound
LISTENED_S = 6.0
AUDIBLE = 1e-3
PAUSE_S = 4.0  # from a fault to the next, at least
SAME_MS = 15.0  # between latency reported and measured, where servers tell times of their own
WHOLE_S = 1.5  # by how much a recording may differ from the run: buffers at both ends
COLUMNS = (
    *("fault", "server", "times", "sound back after"),
    *("latency reported / measured", "recording", "outcome"),
)
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


@dataclass
class Run:
    """One live run around a server."""

    server: SoundServer
    process: subprocess.Popen[str]
    folder: Path
    model: Path
    stack: ExitStack
    records: list[dict] = field(default_factory=list)
    started: float = 0.0  # by `time.monotonic`, when its clock was at zero

    def play(self) -> None:
        """Have the song played, for the first time or anew."""
        self.stack.enter_context(_looped(self.server, self.folder / "song.wav"))


@dataclass(frozen=True)
class Fault:
    """A fault; ``ends`` says that the program is to end by it, with all that it has recorded."""

    inject: Callable[[Run], None]
    what: str
    ends: bool = False


@dataclass
class Outcome:
    """What became of one fault on one server."""

    fault: str
    server: str
    times: int = 0
    back_s: float = 0.0  # the longest
    latency_ms: tuple[float, float | None] = (0.0, None)  # reported, measured
    recorded_s: float = 0.0
    ran_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def row(self) -> str:
        """Return it as a row of the page's table."""
        reported, measured = self.latency_ms
        cells = (
            self.fault,
            self.server,
            str(self.times),
            f"{self.back_s:.1f} s",
            "–" if measured is None else f"{reported:.0f} / {measured:.0f} ms",
            f"{self.recorded_s:.1f} of {self.ran_s:.1f} s",
            "; ".join(self.wrong) or "as promised",
        )
        return f"| {' | '.join(cells)} |"


def _restart_server(run: Run) -> None:
    run.server.kill()
    time.sleep(2.0)
    run.server.start()
    run.play()


def _remove_sink(run: Run, rate: int = RATE) -> None:
    listed = run.server.pactl("list", "short", "modules").stdout.splitlines()
    (module,) = (row.split("\t")[0] for row in listed if "sink_name=B " in f"{row} ")
    run.server.pactl("unload-module", module)
    time.sleep(2.0)
    run.server.pactl("load-module", "module-null-sink", "sink_name=B", f"rate={rate}")
    wait_until(lambda: "B" in run.server.sink_names(), "the sink")


def _change_default(run: Run) -> None:
    run.server.pactl("set-default-sink", "A")
    time.sleep(1.0)
    run.server.pactl("set-default-sink", "B")


def _stop_for(seconds: float) -> Callable[[Run], None]:
    def stop(run: Run) -> None:
        run.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        run.process.send_signal(signal.SIGCONT)

    return stop


def _starve(run: Run) -> None:
    """Let it run for 5 ms of every 100, for five seconds."""
    for _ in range(50):
        run.process.send_signal(signal.SIGSTOP)
        time.sleep(0.095)
        run.process.send_signal(signal.SIGCONT)
        time.sleep(0.005)


def _limited(kind: int, size: Callable[[Run], int]) -> Callable[[Run], None]:
    def limit(run: Run) -> None:
        before = resource.prlimit(run.process.pid, kind)
        resource.prlimit(run.process.pid, kind, (size(run), before[1]))
        time.sleep(3.0)
        resource.prlimit(run.process.pid, kind, before)

    return limit


def _address_space(run: Run) -> int:
    pages = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _recorded_bytes(run: Run) -> int:
    return (run.folder / "take.wav").stat().st_size


def _replace_model(run: Run) -> None:
    new = run.folder / "other"
    new.write_bytes(b"no model")
    os.replace(new, run.model)


def _truncate_model(run: Run) -> None:
    os.truncate(run.model, 100)


def _hang_up(run: Run) -> None:
    run.process.send_signal(signal.SIGHUP)


FAULTS = {
    "server-restart": Fault(_restart_server, "the sound server killed, and back after 2 s"),
    "sink-removed": Fault(_remove_sink, "the output's sink gone for 2 s"),
    "rate-changed": Fault(lambda run: _remove_sink(run, 48_000), "the sink back at another rate"),
    "default-changed": Fault(_change_default, "another default sink for a second"),
    "late-callback": Fault(_stop_for(0.3), "all of the program late by 300 ms"),
    "stopped": Fault(_stop_for(5.0), "the program stopped for 5 s, as by a machine that sleeps"),
    "starved": Fault(_starve, "5 % of the time for 5 s"),
    "memory-full": Fault(
        _limited(resource.RLIMIT_AS, _address_space), "not a byte more of memory for 3 s"
    ),
    "disk-full": Fault(_limited(resource.RLIMIT_FSIZE, _recorded_bytes), "no room for 3 s"),
    "model-replaced": Fault(_replace_model, "the model's file another one, which is no model"),
    "model-truncated": Fault(_truncate_model, "the model's file cut short where it lies"),
    "terminal-gone": Fault(_hang_up, "the terminal closed", ends=True),
}
# The recording ends where there is no room for it; the music goes on, and the exit code says so.
SHORT_RECORDING = ("disk-full",)
SAID = {(OutputError.exit_code, name) for name in SHORT_RECORDING}
SERVERS = {"pulse": lambda: pulse_server(at_once=True), "pipewire": pipewire_server}


class _looped:  # noqa: N801  # a context, named as the functions beside it
    """The song on A, again and again, by another program."""

    def __init__(self, server: SoundServer, song: Path) -> None:
        self._server, self._song = server, song
        self._ended = threading.Event()

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.streams("sink-inputs", "A"), "the player's stream")

    def _play(self) -> None:
        while not self._ended.is_set():
            command = ["paplay", "--client-name=chaos", str(self._song)]
            with subprocess.Popen(command, env=self._server.env(sink="A")) as player:
                while player.poll() is None and not self._ended.wait(0.1):
                    pass
                player.kill()
            if player.returncode:
                return  # the server has gone, and whoever brings it back plays anew

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()


def _live(server: SoundServer, folder: Path, model: Path) -> subprocess.Popen[str]:
    devices = ["--input", "pulse", "--output", "pulse"]
    files = ["--record", str(folder / "take.wav"), "--model", str(model)]
    return subprocess.Popen(
        [sys.executable, "-m", "streamsep", "live", *devices, *files, "--json"],
        env=server.env(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=(folder / "errors").open("w"),
    )


def _follow(run: Run) -> threading.Thread:
    assert run.process.stdout is not None
    lines = run.process.stdout

    def read() -> None:
        for line in lines:
            with suppress(ValueError):
                run.records.append(json.loads(line))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _silent_s(take: Take) -> float | None:
    """Wait for sound in a recording; return how much silence came before, None for no sound."""
    deadline = time.monotonic() + 5 * LISTENED_S
    while time.monotonic() < deadline:
        sound = np.abs(take.sound()[0]) > AUDIBLE
        if sound.any():
            return float(np.argmax(sound)) / RATE
        if len(sound) > LISTENED_S * RATE:
            return None
        time.sleep(0.1)
    return None


def try_fault(name: str, server_kind: str, seconds: float, seed: int) -> Outcome:
    """Have a fault again and again for so long, and look at what comes after each."""
    fault, chance = FAULTS[name], random.Random(f"{name} {server_kind} {seed}")
    outcome = Outcome(name, server_kind)
    with ExitStack() as outer, tempfile.TemporaryDirectory(prefix="chaos-") as place:
        server = outer.enter_context(SERVERS[server_kind]())
        stack = outer.enter_context(ExitStack())
        folder = Path(place)
        sf.write(folder / "song.wav", music(SONG_S).T, RATE)
        model = Path(shutil.copy(Path(streamsep.__file__).parent / "models" / "light.onnx", folder))
        process = _live(server, folder, model)
        run = Run(server, process, folder, model, stack)
        stack.callback(process.kill)
        reader = _follow(run)
        run.play()
        wait_until(lambda: _status(run) or process.poll() is not None, "the first status")
        run.started = time.monotonic() - (_status(run) or {}).get("time_s", 0.0)
        _until(run, outcome, fault, time.monotonic() + seconds, chance)
        _end(run, outcome, fault, reader)
    return outcome


def _status(run: Run) -> dict | None:
    """Return the latest line of the run's status."""
    return next((r for r in reversed(run.records) if "latency_ms" in r), None)


def _until(run: Run, outcome: Outcome, fault: Fault, end: float, chance: random.Random) -> None:
    while run.process.poll() is None and time.monotonic() < end:
        time.sleep(chance.uniform(1.0, PAUSE_S))
        fault.inject(run)
        outcome.times += 1
        if fault.ends:
            return
        with run.server.recording("B.monitor") as take:
            back_s = _silent_s(take)
        if back_s is None:
            outcome.wrong.append(f"no sound after {LISTENED_S:g} s")
            return
        outcome.back_s = max(outcome.back_s, back_s)
        time.sleep(PAUSE_S)  # so that it is measured anew
    status = _status(run)
    if status is not None:
        outcome.latency_ms = status["latency_ms"], status["measured_latency_ms"]


def _end(run: Run, outcome: Outcome, fault: Fault, reader: threading.Thread) -> None:
    if run.process.poll() is not None and not fault.ends:
        outcome.wrong.append(f"it ended with {run.process.returncode}")
    elif not fault.ends:
        run.process.send_signal(signal.SIGINT)
    # By our clock: its display may have failed, which it says and survives.
    outcome.ran_s = time.monotonic() - run.started
    code = run.process.wait(60.0)
    reader.join()
    if code not in (0, 129, 130) and (code, outcome.fault) not in SAID:
        errors = (run.folder / "errors").read_text().strip().splitlines()[-1:]
        outcome.wrong.append(f"exit code {code}: {' '.join(errors)}")
    with suppress(sf.LibsndfileError):
        outcome.recorded_s = sf.info(run.folder / "take.wav").duration
    short = outcome.ran_s - outcome.recorded_s
    if outcome.fault not in SHORT_RECORDING and abs(short) > WHOLE_S:
        outcome.wrong.append(f"the recording differs from the run by {short:.1f} s")
    if outcome.back_s > BACK_S:
        outcome.wrong.append(f"sound was back after {outcome.back_s:.1f} s")
    reported, measured = outcome.latency_ms
    if measured is not None and abs(reported - measured) > SAME_MS:
        outcome.wrong.append(f"latency {reported:.0f} ms reported, {measured:.0f} measured")
    left = [
        row
        for kind in ("modules", "sink-inputs", "source-outputs")
        for row in run.server.pactl("list", "short", kind).stdout.splitlines()
        if "streamsep" in row or str(run.process.pid) in row.split()
    ]
    outcome.wrong += [f"left behind: {row}" for row in left]


def _write(page: Path, outcomes: list[Outcome], seconds: float, seed: int) -> None:
    """Put the table between the marks of a page."""
    command = f"python tools/chaos.py --seconds {seconds:g} --seed {seed}"
    rows = [
        f"`{command}`, streamsep {streamsep.__version__}:",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        *[outcome.row() for outcome in outcomes],
        "",
        *[f"- `{name}`: {fault.what}." for name, fault in FAULTS.items()],
    ]
    text = page.read_text()
    head, rest = text.split(BEGIN)
    page.write_text("\n".join([f"{head}{BEGIN}", *rows, f"{END}{rest.split(END)[1]}"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fault", choices=[*FAULTS, "all"], default="all")
    parser.add_argument("--server", choices=[*SERVERS, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=1_800.0, help="of each fault and server")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into it")
    asked = parser.parse_args()
    faults = list(FAULTS) if asked.fault == "all" else [asked.fault]
    servers = list(SERVERS) if asked.server == "all" else [asked.server]
    outcomes = []
    for name in faults:
        for kind in servers:
            try:
                outcome = try_fault(name, kind, asked.seconds, asked.seed)
            except (AssertionError, subprocess.SubprocessError) as error:
                outcome = Outcome(name, kind, wrong=[f"the run itself failed: {error}"])
            outcomes.append(outcome)
            print(outcome.row(), flush=True)
            if asked.write:
                _write(asked.write, outcomes, asked.seconds, asked.seed)
    raise SystemExit(any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    main()
