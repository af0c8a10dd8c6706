"""What a cluster costs and gives, on nodes that this machine plays: the figures of docs/scale.md.

    python tools/scale.py speed --songs 200 --seconds 10     # two nodes against --jobs 2
    python tools/scale.py overhead --songs 10000 --nodes 4   # the driver's share of a song
    python tools/scale.py plan --songs 20000                 # before the first song
    python tools/scale.py chaos --songs 300 --every 5        # workers killed all the while

`speed` tells the start from the time of a song by runs over a quarter of the songs and over all; on
a machine that does other things too its processor times hold, and the times that passed don't.
`overhead` has workers that do nothing: what is left is Ray, the driver and the manifest. `plan`
lists songs of a store in memory, plans them and writes the manifest. `chaos` exits with 1 unless
every stem is, byte by byte, that of one machine. Other programs that run meanwhile make every time
longer: each figure comes with the load of the machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import fsspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from streamsep.cluster.catalogue import find_catalogue
from streamsep.cluster.manifest import Manifest, ManifestRow
from streamsep.cluster.orders import ModelBundle, Outcome, SeparationTask, SongOrder
from streamsep.cluster.plan import plan_run
from streamsep.cluster.ray import RayWorkers
from streamsep.cluster.worker import SongWorker
from streamsep.offline.jobs import Template, plan
from streamsep.offline.song_states import DONE
from testing.cluster import RAY_ENVIRONMENT, Nodes, Store, chaos, song_bytes

COMMAND = [sys.executable, "-m", "streamsep", "separate"]
SOURCE = "s3://songs/in"


class ProcessorTime:
    """Processor seconds of all that this process has started, whoever reaps it; by sampling."""

    def __init__(self, every_s: float = 0.1) -> None:
        self._every_s = every_s
        self._seen: dict[int, float] = {}
        threading.Thread(target=self._sample, daemon=True).start()

    def __call__(self) -> float:
        return sum(self._seen.copy().values())

    def _sample(self) -> None:
        tick = os.sysconf("SC_CLK_TCK")
        while True:
            parents, times = {}, {}
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    number = int(folder.name)
                    parents[number] = int(fields[1])
                    times[number] = (int(fields[11]) + int(fields[12])) / tick
            for number, seconds in times.items():
                above = parents[number]
                while above > 1 and above != os.getpid():
                    above = parents.get(above, 0)
                if above > 1:
                    self._seen[number] = seconds
            time.sleep(self._every_s)


def run_command(*arguments) -> None:
    subprocess.run([*COMMAND, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def measured(songs: list[Path], model: str, *how) -> list[tuple[float, float]]:
    """Return seconds of a song and of the start: those that passed, and the processor's.

    From a run over some of the songs and one over all.
    """
    few, processor_s = songs[: max(1, len(songs) // 4)], ProcessorTime()
    times = [(time.monotonic(), 0.0)]
    with tempfile.TemporaryDirectory() as folder:
        for number, some in enumerate((few, songs)):
            run_command(*some, "-o", f"{folder}/{number}", "--model", model, *how)
            times.append((time.monotonic(), processor_s()))
    found = []
    for start, between, end in zip(*times, strict=True):
        each_s = ((end - between) - (between - start)) / (len(songs) - len(few))
        found.append((each_s, between - start - len(few) * each_s))
    return found


def speed(asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        songs = [Path(folder) / f"s{number:04}.wav" for number in range(asked.songs)]
        for number, song in enumerate(songs):
            song.write_bytes(song_bytes(asked.seconds, seed=number))
        alone = measured(songs, asked.model, "--jobs", 2)
        nodes = Nodes(count=2, cores=1)
        try:
            cluster = measured(songs, asked.model, "--ray", nodes.address)
        finally:
            nodes.stop()
    print(f"{asked.songs} songs of {asked.seconds:g} s, model {asked.model}")
    for what, *pair in zip(("passed", "of the processor"), alone, cluster, strict=True):
        for name, (each_s, start_s) in zip(("--jobs 2", "two nodes"), pair, strict=True):
            print(f"{name:10} {1_000 * each_s:6.0f} ms a song, start {start_s:5.1f} s {what}")
        print(f"two nodes have {pair[0][0] / pair[1][0]:.2f} of the speed, the start aside")
    return 0


class IdleWorker(SongWorker):
    """Says at once that a song is done."""

    def load(self) -> str:
        return "idle"

    def separate(self, order: SongOrder) -> Outcome:
        return Outcome(peaks={"beat": 0.5, "vocals": 0.5}, hash="0" * 64, seconds=0.001)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def overhead(asked: argparse.Namespace) -> int:
    nodes = Nodes(count=asked.nodes, cores=asked.cores)
    try:
        task = SeparationTask(ModelBundle("none"))
        workers = RayWorkers(task, worker_class=IdleWorker)
        list(workers.run(order_of(number) for number in range(100)))  # what is loaded only once
        before_mb, cpu_s, first_s = peak_mb(), time.process_time(), 0.0
        with tempfile.TemporaryDirectory() as folder:
            manifest = Manifest(f"{folder}/manifest.csv")
            for order, outcome in workers.run(order_of(number) for number in range(asked.songs)):
                first_s = first_s or time.monotonic()
                manifest.note(ManifestRow(order.song, outcome.hash, DONE, outcome.seconds))
            manifest.save()
        passed = time.monotonic() - first_s
        cpu_s = time.process_time() - cpu_s
    finally:
        nodes.stop()
    print(f"{asked.songs} songs, {asked.nodes} nodes of {asked.cores} workers that do nothing")
    print(f"{1_000 * passed / asked.songs:.2f} ms a song, from the first to the last")
    print(f"{1_000 * cpu_s / asked.songs:.2f} ms a song of the driver's processor time")
    print(f"the driver grew by {peak_mb() - before_mb:.0f} MB to {peak_mb():.0f} MB")
    return 0


def plans(asked: argparse.Namespace) -> int:
    fs = fsspec.filesystem("memory")
    for number in range(asked.songs):
        fs.pipe_file(f"/songs/label/album{number // 10}/song{number}.wav", b"x")
    before_mb, cpu_s = peak_mb(), time.process_time()
    catalogue = find_catalogue(["memory://songs"])
    template = Template("memory://out", None)
    jobs = plan(catalogue.found.files, template, None, ("vocals", "beat"))
    options = {"gain_db": 0.0, "bits": None}
    songs = plan_run(
        jobs, catalogue, {}, there=set(), model="model", options=options, overwrite=False
    )
    orders = [song.order for song in songs]
    with tempfile.TemporaryDirectory() as folder:
        manifest = Manifest(f"{folder}/manifest.csv")
        manifest.rows |= {song.row.song: song.row for song in songs}
        manifest.save()
        size = os.path.getsize(manifest.uri)
    cpu_s = time.process_time() - cpu_s
    print(
        f"{len(orders)} songs planned: {1_000 * cpu_s / len(orders):.2f} ms of the processor each"
    )
    print(f"{1_024 * (peak_mb() - before_mb) / len(orders):.1f} KB of memory,")
    print(f"{size / len(orders):.0f} bytes of the manifest before it is done")
    return 0


def order_of(number: int) -> SongOrder:
    name = f"s3://bucket/label/album{number // 10}/song{number}"
    stems = ("vocals", "beat")
    return SongOrder(f"{name}.wav", {stem: f"{name}.{stem}.wav" for stem in stems}, stems)


def killed_all_the_while(asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        store = Store()
        os.environ.update(store.environment)
        store.fs.makedirs("songs", exist_ok=True)
        (here / "in").mkdir()
        for number in range(asked.songs):
            content = song_bytes(asked.seconds, seed=number)
            (here / "in" / f"s{number:04}.wav").write_bytes(content)
            store.put(f"in/s{number:04}.wav", content)
        run_command(here / "in", "-o", here / "out", "--model", asked.model)
        nodes = Nodes(count=2, cores=1)
        try:
            arguments = [SOURCE, "-o", "s3://songs/out", "--model", asked.model]
            command = [*COMMAND, *arguments, "--ray", nodes.address]
            runs = [after_chaos(command, asked.every)]
            while runs[-1] and len(runs) < 5:
                runs.append(subprocess.run(command, stdout=subprocess.DEVNULL).returncode)
        finally:
            nodes.stop()
        bad = [
            path.name
            for path in sorted((here / "out").glob("*.wav"))
            if store.get(f"s3://songs/out/{path.name}") != path.read_bytes()
        ]
        rows = Manifest("s3://songs/out/streamsep-manifest.csv").rows
        store.server.stop()
    done = sum(row.state == DONE for row in rows.values())
    print(f"exit codes of the runs, the first of them under fire: {runs}")
    print(f"{done} of {asked.songs} songs done; stems that differ from one machine's: {len(bad)}")
    return int(bool(bad) or done != asked.songs)


def after_chaos(command: list[str], every_s: float) -> int:
    """Run a command while workers are killed, and return its exit code."""
    with chaos(every_s) as killed:
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    print(f"{len(killed)} workers were killed")
    return code


TASKS = dict(speed=speed, overhead=overhead, plan=plans, chaos=killed_all_the_while)
SONGS = dict(speed=200, overhead=10_000, plan=20_000, chaos=300)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(required=True)
    for name, run in TASKS.items():
        task = tasks.add_parser(name)
        task.set_defaults(run=run)
        task.add_argument("--songs", type=int, default=SONGS[name])
        if name == "overhead":
            task.add_argument("--nodes", type=int, default=4)
            task.add_argument("--cores", type=int, default=2)
        if name in ("overhead", "plan"):
            continue
        task.add_argument("--seconds", type=float, default=10.0 if name == "speed" else 1.0)
        task.add_argument("--model", default="light")
        if name == "chaos":
            task.add_argument("--every", type=float, default=5.0)
    asked = parser.parse_args()
    os.environ.update(RAY_ENVIRONMENT)
    code: int = asked.run(asked)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return code


if __name__ == "__main__":
    sys.exit(main())
