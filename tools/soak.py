"""A long live run through a real PulseAudio server: does anything get lost, grow or move?

    python tools/soak.py --minutes 60 [--every 10] [-- OPTIONS OF LIVE]

A private server with null sinks, a player, and `streamsep live --input loopback --capture` with the
vocals at full level: then what comes out is what went in, delayed, whatever the model thinks of
it. Both are recorded at the sinks, so that the whole way's latency is seen to move by a sample.
Exits with 1 if something was lost by the program's own counters, if its memory grew after the
warm-up, or if its latency moved.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from testing.alignment import locate
from testing.servers import PulseServer, pulse_server, wait_until
from testing.signals import music

RATE, CHANNELS = 44_100, 2
SONG_S = 30.0
KEPT = 4 * RATE  # frames of each recording
WINDOW = RATE  # of these, what is looked for
WARM_UP_S = 30.0
GROWTH_MB = 4.0
# Both sinks count the same clock. A millisecond leaves room for a slow correction between two
# devices' clocks, and none for a block.
MOVE_SAMPLES = RATE // 1000


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    seconds: float
    memory_mb: float
    reported_ms: float
    measured_ms: float | None
    way_samples: int | None  # by how much the whole way has become longer since the first row
    p99_ms: float | None
    dropouts: int
    glitches: int
    underruns: int  # of any stream, by the server's account: the machine was busy


class Tail:
    """The latest `KEPT` frames of a sink's monitor, with their places in the whole recording."""

    def __init__(self, server: PulseServer, monitor: str) -> None:
        self._process = subprocess.Popen(
            [
                "parec",
                f"--device={monitor}",
                "--format=float32le",
                f"--rate={RATE}",
                f"--channels={CHANNELS}",
                "--raw",
                "--latency-msec=200",
            ],
            env=server.env(),
            stdout=subprocess.PIPE,
        )
        self._frames = np.zeros(0, np.float32)
        self._end = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        size = 4 * CHANNELS * 1024
        while len(block := self._process.stdout.read(size)) == size:
            with self._lock:
                new = np.frombuffer(block, np.float32)[::CHANNELS]
                self._frames = np.concatenate([self._frames, new])[-KEPT:]
                self._end += len(new)

    def get(self) -> tuple[int, np.ndarray]:
        """Return the place of the first frame kept, and the frames' first channel."""
        with self._lock:
            return self._end - len(self._frames), self._frames

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def way(sound_in: Tail, sound_out: Tail) -> int | None:
    """Return the distance of the same sound in the two recordings; None if it isn't found."""
    (start_in, came), (start_out, went) = sound_in.get(), sound_out.get()
    if min(len(came), len(went)) < KEPT:
        return None
    # From the middle, so that it is in the other recording too.
    wanted = came[KEPT // 2 - WINDOW : KEPT // 2]
    try:
        return start_out + locate(wanted, went) - (start_in + KEPT // 2 - WINDOW)
    except AssertionError:
        return None


@contextmanager
def player(server: PulseServer) -> Iterator[subprocess.Popen[bytes]]:
    """Play made-up music without end on the sink A."""
    sound = music(SONG_S)
    sound += np.random.default_rng(5).uniform(-0.05, 0.05, sound.shape).astype(np.float32)
    song = np.ascontiguousarray(sound.T, np.float32).tobytes()
    process = subprocess.Popen(
        [
            "pacat",
            "--playback",
            "--client-name=soak",
            "--format=float32le",
            f"--rate={RATE}",
            f"--channels={CHANNELS}",
            "--raw",
        ],
        env=server.env(sink="A"),
        stdin=subprocess.PIPE,
    )

    def feed() -> None:
        assert process.stdin is not None
        while process.poll() is None:
            try:
                process.stdin.write(song)
            except OSError:
                return

    threading.Thread(target=feed, daemon=True).start()
    try:
        wait_until(lambda: server.sink_of(process), "the player")
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def live(server: PulseServer, options: list[str]) -> Iterator[tuple[subprocess.Popen[str], list]]:
    """Run it; yields the process, and the objects that it has printed so far."""
    records: list[dict] = []
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamsep",
                "live",
                "--input",
                "loopback",
                "--capture",
                "soak",
                "--guide",
                "100",
                "--json",
                *options,
            ],
            env=server.env(source=None, sink=None),
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdout is not None
        lines = process.stdout

        def read() -> None:
            for line in lines:
                records.append(json.loads(line))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield process, records
        finally:
            process.terminate()
            reader.join()
            if process.wait() != 0:
                errors.seek(0)
                print(errors.read(), file=sys.stderr)


def memory_mb(process: subprocess.Popen[str]) -> float:
    """Return the resident memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def rows(server: PulseServer, minutes: float, every_s: float, options: list[str]) -> Iterator[Row]:
    """Run for so long and yield a row every so often."""
    with player(server) as playing, live(server, options) as (process, records):
        wait_until(lambda: server.sink_of(playing) == "streamsep", "the captured player")
        tails = Tail(server, "streamsep.monitor"), Tail(server, "B.monitor")
        first, before = None, server.underruns
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < 60 * minutes:
            time.sleep(every_s)
            if not records:
                continue
            now, distance = records[-1], way(*tails)
            first = distance if first is None else first
            yield Row(
                seconds=now["time_s"],
                memory_mb=memory_mb(process),
                reported_ms=now["latency_ms"],
                measured_ms=now["measured_latency_ms"],
                way_samples=None if distance is None or first is None else distance - first,
                p99_ms=now["hop_p99_ms"],
                dropouts=now["dropouts"],
                glitches=now["device_glitches"],
                underruns=server.underruns - before,
            )
        for tail in tails:
            tail.close()


def verdict(seen: list[Row]) -> list[str]:
    """Return what is wrong."""
    if not seen:
        return ["it never ran"]
    wrong, last = [], seen[-1]
    if last.dropouts or last.glitches:
        wrong.append(f"{last.dropouts} dropouts and {last.glitches} glitches of the devices")
    warm = [row.memory_mb for row in seen if row.seconds >= WARM_UP_S] or [last.memory_mb]
    if max(warm) - warm[0] > GROWTH_MB:
        wrong.append(f"memory grew by {max(warm) - warm[0]:.1f} MB after the warm-up")
    for name in ("reported_ms", "measured_ms"):
        values = {getattr(row, name) for row in seen} - {None}
        if len(values) != 1:
            wrong.append(f"{name.removesuffix('_ms')} latency: {sorted(values)} ms")
    moves = [row.way_samples for row in seen if row.way_samples is not None]
    if not moves or max(moves) - min(moves) > MOVE_SAMPLES:
        wrong.append(f"the whole way moved: {sorted(set(moves))} samples")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds per row")
    parser.add_argument("options", nargs="*", help="of streamsep live, after --")
    asked = parser.parse_args()
    names = [field.name for field in fields(Row)]
    print(" ".join(f"{name:>12}" for name in names), flush=True)
    seen = []
    with pulse_server() as server:
        for row in rows(server, asked.minutes, asked.every, asked.options):
            seen.append(row)
            cells = (getattr(row, name) for name in names)
            print(" ".join(f"{_shown(cell):>12}" for cell in cells), flush=True)
    wrong = verdict(seen)
    print("\n".join(wrong) or "nothing lost, nothing grew, nothing moved")
    raise SystemExit(bool(wrong))


def _shown(cell: float | None) -> str:
    return "…" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    main()
