"""What the whole way really takes: a chirp through `streamsep live` and real sound servers.

    python tools/latency_loopback.py [--only simulated,pulse,pipewire,jack] [--json FILE]
    python tools/latency_loopback.py --from FILE --markdown docs/benchmarks.md

One server's clock plays a chirp into the input of `live` and records, in the same recording, what
goes in and what comes out. The distance of the two chirps is the latency, whatever anybody
reports. All of the voice is let through (--guide 100), so that what comes out is what went in.
Takes in which the session or the server lost a block are taken again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmark.document import replace_section, table

from streamsep.models import find_model
from streamsep.realtime import Session
from streamsep.separation import load_separator
from testing.alignment import locate
from testing.patch_bay import patch_bay
from testing.servers import (
    FRONT,
    REAR,
    PulseServer,
    SoundServer,
    jack_server,
    pipewire_server,
    pulse_server,
    wait_until,
)
from testing.sessions import play

RATE = 44_100
CHIRP_S = 0.5
FROM_HZ, TO_HZ = 200.0, 8_000.0
PATIENCE_TAKES = 4  # spoilt ones for each that is wanted
Recording = Callable[[], AbstractContextManager[Callable[[], np.ndarray]]]
console = Console(highlight=False, width=max(Console().width, 100))


@dataclass(frozen=True)
class Take:
    """One measurement, in samples."""

    server: str
    block: int
    reported: int
    measured: int

    @property
    def allowed(self) -> int:
        """A device block where a server buffers, a sample where time is simulated."""
        return 1 if self.server == "simulated" else self.block

    @property
    def holds(self) -> bool:
        return abs(self.measured - self.reported) <= self.allowed


def chirp() -> np.ndarray:
    """Return a chirp (2, N) float32: its pitch rises by equal ratios, so it is like no shift."""
    at = np.arange(round(CHIRP_S * RATE)) / RATE
    rise = np.log(TO_HZ / FROM_HZ) / CHIRP_S
    phase = 2 * np.pi * FROM_HZ * (np.exp(rise * at) - 1) / rise
    return np.tile((0.5 * np.sin(phase) * np.hanning(len(at))).astype(np.float32), (2, 1))


class Live:
    """``streamsep live`` in the background, and the latest of what it says."""

    def __init__(self, block: int, env: dict[str, str], *devices: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by __exit__
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamsep",
                "live",
                "--guide",
                "100",
                "--json",
                "--block",
                str(block),
                *devices,
            ],
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.seen: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen = json.loads(line)

    @property
    def losses(self) -> int:
        return int(self.seen["dropouts"] + self.seen["device_glitches"])

    def __enter__(self) -> Live:
        self._reader.start()
        wait_until(lambda: self._runs() or self._process.poll() is not None, "sound through live")
        if self._process.poll() is not None:
            self._errors.seek(0)
            raise SystemExit(f"live ended: {self._errors.read().strip()}")
        return self

    def _runs(self) -> bool:
        return self.seen.get("time_s", 0) > 1.0

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        self._errors.close()


def distance(came: np.ndarray, went: np.ndarray) -> int:
    """Return how much later the chirp is in ``went`` (N,) than in ``came`` (N,), in samples."""
    sound = chirp()[0]
    return locate(sound, went, len(sound)) - locate(sound, came, len(sound))


def simulated(block: int, takes: int) -> Iterator[Take]:
    """The session alone, on an endpoint in memory: exact or wrong."""
    for _ in range(takes):
        separator = load_separator(find_model(None), device="cpu")
        gains = dict.fromkeys(separator.stems, 1.0)
        session = Session(separator, device_frames=block, gains=gains)
        sound = np.pad(chirp(), ((0, 0), (0, RATE // 2)))
        out = play(session, sound, block)
        yield Take("simulated", block, session.latency.total, distance(sound[0], out[0]))


def repeated(
    name: str, block: int, takes: int, once: Callable[[], tuple[int, int] | None]
) -> Iterator[Take]:
    """Yield as many takes as asked for; ``once`` gives reported and measured, None if spoilt."""
    kept = 0
    for _ in range(takes * PATIENCE_TAKES):
        result = once()
        if result is not None:
            yield Take(name, block, *result)
            kept += 1
        if kept == takes:
            return
    console.print(f"{name}: only {kept} of {takes} takes without losses", style="yellow")


def underruns(server: SoundServer) -> int:
    """What the server says it lost; PipeWire doesn't, there the session's own count must do."""
    return server.underruns if isinstance(server, PulseServer) else 0


def through(
    server: SoundServer,
    name: str,
    block: int,
    takes: int,
    env: dict[str, str],
    player: str,
    recording: Recording,
) -> Iterator[Take]:
    """PulseAudio's protocol: play into the sink ``player`` while both ends are recorded.

    ``recording`` yields what returns the sound, (4, N): the front pair is what `live` hears,
    the rear one what it plays.
    """
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder) / "chirp.wav"
        sf.write(song, np.pad(chirp(), ((0, 0), (RATE // 4, RATE))).T, RATE, subtype="FLOAT")

        def once() -> tuple[int, int] | None:
            before = underruns(server)
            with (
                recording() as recorded,
                Live(block, env, "--input", "pulse", "--output", "pulse") as live,
            ):
                lost = live.losses
                server.play(song, player)
                # What is behind comes within that, and the session's own count of losses.
                time.sleep(1.5)
                spoilt = live.losses != lost or underruns(server) != before
                reported = round(live.seen["latency_ms"] * RATE / 1e3)
            heard = recorded()
            try:
                return None if spoilt else (reported, distance(heard[0], heard[2]))
            except AssertionError:  # a part of the chirp is missing, which PipeWire doesn't tell
                return None

        yield from repeated(name, block, takes, once)


def pulse(block: int, takes: int) -> Iterator[Take]:
    """Both ends are pairs of channels of one sink: one clock.

    `live` hears its monitor itself, of which without remixing it gets the front pair. Through a
    remapped source it would hear it later than the server says.
    """
    with pulse_server(remixing=False) as server:

        @contextmanager
        def recording() -> Iterator[Callable[[], np.ndarray]]:
            with server.recording("AB.monitor", channels=f"{FRONT},{REAR}") as take:
                yield take.sound

        env = server.env(source="AB.monitor", sink="REAR")
        yield from through(server, "pulse", block, takes, env, "FRONT", recording)


def pipewire(block: int, takes: int) -> Iterator[Take]:
    """The ends are two sinks, which one recorder hears: so PipeWire drives both by one clock.

    That is the first one's, B, which `live` hears. A null sink that drives holds back what is
    played on it by a block more than it tells.
    """
    with pipewire_server() as server, tempfile.TemporaryDirectory() as folder:
        env = server.env(source="B.monitor", sink="A")
        path = Path(folder) / "recording.wav"

        @contextmanager
        def recording() -> Iterator[Callable[[], np.ndarray]]:
            with subprocess.Popen(
                [
                    "pw-record",
                    "--target",
                    "0",
                    "--rate",
                    str(RATE),
                    "--format",
                    "f32",
                    "--channels",
                    "4",
                    "--channel-map",
                    "FL,FR,RL,RR",
                    path,
                ],
                env=env,
            ) as recorder:
                try:
                    for sink, ports in (("B", ("FL", "FR")), ("A", ("RL", "RR"))):
                        for side, port in zip(("FL", "FR"), ports, strict=True):
                            link = f"{sink}:monitor_{side}", f"pw-record:input_{port}"
                            wait_until(partial(linked, env, *link), " to ".join(link))
                    yield lambda: sf.read(path, dtype="float32", always_2d=True)[0].T
                finally:
                    recorder.terminate()

        yield from through(server, "pipewire", block, takes, env, "B", recording)


def linked(env: dict[str, str], port: str, other: str) -> bool:
    """Link two of PipeWire's ports, and say whether both were there."""
    return subprocess.run(["pw-link", port, other], env=env, capture_output=True).returncode == 0


def jack(block: int, takes: int) -> Iterator[Take]:
    """JACK's dummy driver at a period of the block, and clients patched to both ends of `live`.

    What is measured is the way from port to port; the driver's own part, which a sound card would
    add, is as the server declares it.
    """
    with jack_server(block) as server, patch_bay(server.env()) as bay:

        def once() -> tuple[int, int] | None:
            with Live(block, server.env(), "--input", "system", "--output", "system") as live:
                bay.connect()
                lost, before = live.losses, bay.xruns
                came, went = bay.play(np.pad(chirp()[0], (RATE // 4, RATE // 2)))
                time.sleep(1.2)
                spoilt = live.losses != lost or bay.xruns != before
                reported = round(live.seen["latency_ms"] * RATE / 1e3)
            return None if spoilt else (reported, distance(came, went) + declared(server.env()))

        yield from repeated("jack", block, takes, once)


def declared(env: dict[str, str]) -> int:
    """Return the latency that JACK's driver declares for its input and its output, together."""
    listed = subprocess.run(
        ["jack_lsp", "-l", "-s", env["JACK_DEFAULT_SERVER"], "system:"],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sum(
        max(int(frames) for frames in re.findall(rf"{kind} latency = \[ \d+ (\d+) \]", listed))
        for kind in ("capture", "playback")
    )


SERVERS: dict[str, Callable[[int, int], Iterator[Take]]] = {
    "simulated": simulated,
    "pulse": pulse,
    "pipewire": pipewire,
    "jack": jack,
}
HEADINGS = ["server", "block", "reported", "measured", "off by", "allowed", "holds"]


def rows(takes: list[Take]) -> list[list[str]]:
    """Return a row for each server and block."""
    shown = []
    for server, block in dict.fromkeys((take.server, take.block) for take in takes):
        these = [t for t in takes if (t.server, t.block) == (server, block)]
        off = [take.measured - take.reported for take in these]
        shown.append(
            [
                server,
                str(block),
                _spread([take.reported for take in these]),
                _spread([take.measured for take in these]),
                _spread(off, sign=True),
                f"±{these[0].allowed}",
                "yes"
                if all(t.holds for t in these)
                else f"**{sum(t.holds for t in these)} of {len(these)} takes**",
            ]
        )
    return shown


def _spread(values: list[int], *, sign: bool = False) -> str:
    form = "+d" if sign else "d"
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def measure(servers: list[str], blocks: list[int], count: int) -> Iterator[Take]:
    """Measure and print take after take."""
    for name in servers:
        for block in blocks:
            for take in SERVERS[name](block, count):
                console.print(str(take))
                yield take


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(SERVERS),
        metavar="NAME,…",
        help=f"of {', '.join(SERVERS)}",
    )
    parser.add_argument(
        "--blocks",
        type=lambda text: [int(b) for b in text.split(",")],
        default=[256, 512, 1024],
        metavar="SAMPLES,…",
    )
    parser.add_argument("--takes", type=int, default=3, help="for each server and block")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all takes")
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="FILE",
        help="measure nothing: take what --json wrote",
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="put the table into this document, between its marks",
    )
    asked = parser.parse_args()
    if unknown := sorted(set(asked.only) - set(SERVERS)):
        parser.error(f"--only: no {', '.join(unknown)} among {', '.join(SERVERS)}")
    if asked.earlier:
        takes = [Take(**take) for take in json.loads(asked.earlier.read_text())]
    else:
        takes = list(measure(asked.only, asked.blocks, asked.takes))
    shown = Table(*HEADINGS, box=None, pad_edge=False)
    for row in rows(takes):
        shown.add_row(*row)
    console.print(shown)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(take) for take in takes], indent=1) + "\n")
    if asked.markdown:
        replace_section(asked.markdown, "latency", table(HEADINGS, rows(takes)))
    raise SystemExit(not takes or not all(take.holds for take in takes))


if __name__ == "__main__":
    main()
