"""What happens to live sound when something around it fails: faults on purpose, and the outcome.

    python tools/chaos.py --fault server-restart --server pulse --minutes 1
    python tools/chaos.py --minutes 30 --write docs/reliability.md   # all, on all servers at once

A private sound server, a player, a singer and `streamsep live` with a microphone and a recording,
its input in turns a loopback and a file. One fault after another is done to it at random moments,
in an order by the seed; after all of them the program is ended and another one started, as it is
when it plays no more. Song and voice are tones, the song's let through by the model, so that each
is known at the output and in the recording. Looked at after each fault: how long until both are at
the output again, and whether the latency reported is the one measured; after each round: whether
the recording is as long as the run and has no silence that isn't named, and whether anything is
left behind in the server. Exit code 1 if not. `--write` puts the table between the two marks of a
page.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.causes import FAULTS, Run
from faults.outcome import Outcome, Try, left_out_s, look_into, table
from faults.shim import Shim
from faults.sound import RATE, SONG_HZ, VOICE_HZ, back_after_s, write_song
from faults.stage import STAGES, Stage

import streamsep
from streamsep.errors import OutputError
from streamsep.models import find_model
from testing.servers import wait_until

SONG_S = 600.0  # longer than any round
LISTENED_S = 10.0
START_S = 120.0  # far beyond what it takes
FIRST_S, PAUSE_S = 5.0, 4.0  # before the first fault, and from one to the next, at least
WHOLE_S = 0.5  # by how much a recording may differ from the run: buffers, lines read late
ROUND = "(each run)"
ENDED = (0, 129, 130)  # by us, as by Ctrl-C or a closed terminal
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


class Outcomes:
    """What is known so far, of all servers: threads add to it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self._of: dict[tuple[str, str], Outcome] = {}
        self._lock = threading.Lock()

    def add(self, fault: str, server: str, one: Try) -> None:
        """Add one try, and print it when it went wrong."""
        with self._lock:
            self._of.setdefault((fault, server), Outcome(fault, server)).tries.append(one)
        for line in one.wrong:
            print(f"{time.strftime('%X')} {server} {fault} at {one.at_s:.1f} s: {line}", flush=True)

    def all(self) -> list[Outcome]:
        """Return them fault by fault."""
        names = [*FAULTS, ROUND]
        with self._lock:
            return sorted(self._of.values(), key=lambda outcome: names.index(outcome.fault))

    def write(self, page: Path) -> None:
        """Put the table between the marks of a page."""
        command = f"python tools/chaos.py --minutes {self.asked.minutes:g} --seed {self.asked.seed}"
        rows = [
            f"`{command} --model {self.asked.model}`, streamsep {streamsep.__version__}:",
            "",
            *table(self.all()),
            "",
            *[f"- `{name}`: {fault.what}." for name, fault in FAULTS.items()],
        ]
        head, rest = page.read_text().split(BEGIN)
        page.write_text("\n".join([f"{head}{BEGIN}", *rows, f"{END}{rest.split(END)[1]}"]))


def _start(stage: Stage, song: Path, model: str) -> Run:
    """Start the program in a folder of the stage's, and wait until it runs."""
    folder = Path(tempfile.mkdtemp(dir=stage.folder))
    shim, original = Shim(folder), find_model(model)
    assert isinstance(original, Path), f"{model} is no model's file"
    # With those beside it: some models run another one's graph.
    copies = [Path(shutil.copy(path, folder)) for path in original.parent.glob("*.onnx")]
    files = ["--record", str(folder / "take.wav"), "--model", str(folder / original.name)]
    sound = ["--guide", "100", "--voice-effects", "off", "--json"]
    devices = stage.options(song)
    process = subprocess.Popen(
        [sys.executable, "-m", "streamsep", "live", *devices, *files, *sound],
        env=stage.env() | shim.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=(folder / "errors").open("w"),
    )
    run = Run(stage, process, shim, copies, folder / "take.wav")
    threading.Thread(target=_follow, args=(run,), daemon=True).start()
    try:
        what = "the first status"
        wait_until(lambda: run.status or process.poll() is not None, what, START_S)
        if run.status is None:
            raise AssertionError((folder / "errors").read_text().strip())
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return run


def _follow(run: Run) -> None:
    assert run.process.stdout is not None
    for line in run.process.stdout:
        with suppress(ValueError):
            run.add(json.loads(line))


def _listen(stage: Stage) -> tuple[float | None, float | None]:
    """Return after how long song and voice are back, at most; None for what isn't."""
    began = time.monotonic()
    with stage.listening() as sound:
        missed_s = time.monotonic() - began
        while True:
            heard = sound()
            back = [back_after_s(heard, hz, stage.rate) for hz in (SONG_HZ, VOICE_HZ)]
            if None not in back or len(heard) > LISTENED_S * stage.rate:
                song, voice = (None if s is None else missed_s + s for s in back)
                return song, voice
            time.sleep(0.1)


def _try(run: Run, name: str) -> Try:
    """Do a fault to the program, and look at what comes after."""
    one = Try(run.now_s)
    FAULTS[name].inject(run)
    if not FAULTS[name].ends:
        one.song_s, one.voice_s = _listen(run.stage)
        time.sleep(PAUSE_S)  # so that it is measured anew
        if (status := run.status) is not None:
            one.latency_ms = status["latency_ms"], status["measured_latency_ms"]
        if run.process.poll() is not None:
            one.wrong.append(f"it ended with {run.process.returncode}")
    return one


def _end(run: Run, tried: list[tuple[str, Try]]) -> Try:
    """End the program; return what is to be said of the whole round."""
    ended = Try(time.monotonic() - run.begun)
    if run.process.poll() is None and not (tried and FAULTS[tried[-1][0]].ends):
        run.process.send_signal(signal.SIGINT)
    try:
        code = run.process.wait(60.0)
    except subprocess.TimeoutExpired:
        run.process.kill()
        ended.wrong.append("it didn't end")
        return ended
    full = any(name == "disk-full" for name, _ in tried)
    if code not in ENDED and not (full and code == OutputError.exit_code):
        errors = run.recording.with_name("errors").read_text().strip().splitlines()[-1:]
        ended.wrong.append(f"exit code {code}: {' '.join(errors)}")
    ended.wrong += [f"left behind: {row}" for row in run.stage.left_behind(run.process.pid)]
    recorded = np.zeros(0, np.float32)
    with suppress(sf.LibsndfileError):
        recorded = sf.read(run.recording, dtype="float32", always_2d=True)[0][:, 0]
    short_s = ended.at_s - len(recorded) / RATE - left_out_s(run.events)
    if abs(short_s) > WHOLE_S:
        ended.wrong.append(f"the recording's length off by more than {WHOLE_S:g} s")
    look_into(recorded, run.events, [one for _, one in tried])
    return ended


def round_of(
    names: list[str], stage: Stage, song: Path, chance: random.Random, model: str
) -> list[tuple[str, Try]]:
    """Run the program and do these faults to it, one after the other, as long as it plays."""
    tried: list[tuple[str, Try]] = []
    run = _start(stage, song, model)
    try:
        time.sleep(FIRST_S)
        for name in names:
            time.sleep(chance.uniform(0.0, PAUSE_S))
            tried.append((name, _try(run, name)))
            if run.process.poll() is not None or tried[-1][1].song_s is None:
                break
        whole = _end(run, tried)
    finally:
        run.process.kill()
        run.process.wait()
    for _, one in tried:
        one.judge()
    if whole.wrong or any(one.wrong for _, one in tried):
        said = [f"  {e['time_s']:.1f} s: {e['text']} ({e['gap_s']:.1f} s)" for e in run.events]
        last = {key: value for key, value in (run.status or {}).items() if key != "events"}
        said.append(f"  at last: {json.dumps(last)}")
        print(
            "\n".join([f"{time.strftime('%X')} {stage.kind} run on {stage.name}:", *said]),
            flush=True,
        )
    return [*tried, (ROUND, whole)]


def try_server(server: str, names: list[str], song: Path, outcomes: Outcomes) -> None:
    """Do the faults to the program on one server, again and again, for the time that is asked."""
    asked = outcomes.asked
    chance, rounds = random.Random(f"{server} {asked.seed}"), 0
    end, order = time.monotonic() + 60.0 * asked.minutes, list[str]()
    while time.monotonic() < end:
        order = order or chance.sample(names, len(names))
        order.sort(key=lambda name: FAULTS[name].ends)  # the program ends by it: the last one
        with tempfile.TemporaryDirectory(prefix="chaos-") as place:
            try:
                with STAGES[server](Path(place), rounds) as stage:
                    done = round_of(order, stage, song, chance, asked.model)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                done = [(ROUND, Try(0.0, wrong=[f"the run itself failed: {error}"]))]
        order = order[max(len(done) - 1, 1) :]  # what this run hadn't come to
        for name, one in done:
            outcomes.add(name, server, one)
        rounds += 1
        if asked.write:
            outcomes.write(asked.write)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fault", default="all", metavar="NAME,…", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--server", choices=[*STAGES, "all"], default="all")
    parser.add_argument("--minutes", type=float, default=30.0, help="of each server")
    parser.add_argument("--model", default="live")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into it")
    asked = parser.parse_args()
    # One that is ignored, as under nohup, would be ignored by the program too.
    signal.signal(signal.SIGHUP, lambda *_: None)
    outcomes = Outcomes(asked)
    wanted = list(FAULTS) if asked.fault == "all" else asked.fault.split(",")
    if unknown := set(wanted) - set(FAULTS):
        parser.error(
            f"no fault is called {', '.join(unknown)}; expected some of {', '.join(FAULTS)}"
        )
    servers = list(STAGES) if asked.server == "all" else [asked.server]
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(len(servers)) as pool:
        song = Path(place) / "song.flac"
        write_song(song, SONG_S)
        runs = []
        for kind in servers:
            names = [name for name in wanted if kind in FAULTS[name].servers]
            runs.append(pool.submit(try_server, kind, names, song, outcomes))
        for run in runs:
            run.result()
    print("\n".join(table(outcomes.all())))
    raise SystemExit(any(outcome.wrong for outcome in outcomes.all()))


if __name__ == "__main__":
    main()
