"""Where the time goes between `indata` and `outdata`: a trace of a live session, step by step.

    python tools/trace_live.py [--seconds 60] [--block 512] [--server pulse|none] [--json FILE]
    python tools/trace_live.py --from FILE --markdown docs/benchmarks.md

`streamsep live` runs in this process, with a song, a microphone, a guide voice and a recording:
through a private PulseAudio server or, with none, from a file at the pace of real time. The
program has no probes of its own: they are put around its methods here, and write two readings of
the clock into arrays that were made beforehand.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import commit, processor
from benchmark.document import replace_section, table

from streamsep.dsp.stft import StreamingSTFT
from streamsep.live.player import LivePlayer
from streamsep.models import BUILTIN, find_model
from streamsep.realtime import Session
from streamsep.realtime.inference_thread import InferenceThread
from streamsep.realtime.mix_bus import MixBus
from streamsep.realtime.pipeline import Pipeline
from streamsep.separation import load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.spectral_engine import SpectralEngine
from testing.servers import pulse_server
from testing.signals import music

RATE = 44_100
SONG_S = 10.0  # then it comes again
SPARE_S = 10.0  # of sound and of room for probes, beyond what was asked for
# What is traced, by the name it has here. Each is called by one thread only.
PROBES: dict[str, tuple[type, str]] = {
    "callback": (Session, "process_block"),
    "feed": (Pipeline, "feed"),
    "take": (Pipeline, "take"),
    "mix": (MixBus, "process"),
    "wake": (InferenceThread, "wake"),
    "awake": (InferenceThread, "_work"),
    "separate": (SpectralEngine, "process"),
    "analyse": (StreamingSTFT, "analyse"),
    "features": (SpectralEngine, "_extract"),
    "network": (OnnxBackend, "run"),
    "apply": (SpectralEngine, "_apply"),
    "synthesise": (StreamingSTFT, "synthesise"),
    "deliver": (InferenceThread, "_deliver"),
}
HEADINGS = ["step", "thread", "p50 ms", "p99 ms", "max ms"]
console = Console(highlight=False, width=max(Console().width, 100))

Times = dict[str, np.ndarray]  # by names of PROBES: (2, N) int64, when calls began and ended, ns


class Track:
    """When each call of one method began and ended; room for ``capacity`` of them."""

    def __init__(self, capacity: int) -> None:
        self._begun, self._ended = (array("q", bytes(8 * capacity)) for _ in range(2))
        self._capacity, self.count = capacity, 0

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``method`` with a probe around it."""
        clock, begun, ended = time.perf_counter_ns, self._begun, self._ended

        def probe(*arguments: Any) -> Any:
            start = clock()
            try:
                return method(*arguments)
            finally:
                if self.count < self._capacity:
                    begun[self.count], ended[self.count] = start, clock()
                    self.count += 1

        return probe

    def times(self) -> np.ndarray:
        """Return (2, N) int64, in nanoseconds."""
        return np.array([self._begun, self._ended], np.int64)[:, : self.count]


@contextlib.contextmanager
def probes(capacity: int) -> Iterator[dict[str, Track]]:
    """Have a probe around each of PROBES, for so many calls."""
    tracks = {name: Track(capacity) for name in PROBES}
    plain = {name: getattr(owner, method) for name, (owner, method) in PROBES.items()}
    for name, (owner, method) in PROBES.items():
        setattr(owner, method, tracks[name].around(plain[name]))
    try:
        yield tracks
    finally:
        for name, (owner, method) in PROBES.items():
            setattr(owner, method, plain[name])


def since_the_start(tracks: dict[str, Track]) -> Times:
    """Return all calls from the first callback on: the warm-up came before it."""
    times = {name: track.times() for name, track in tracks.items()}
    start = times["callback"][0, 0]
    return {name: both[:, both[0] >= start] for name, both in times.items()}


def rows(times: Times, *, block: int, hop: int, lead: int) -> list[dict[str, Any]]:
    """Return a row for each step, in milliseconds.

    Parameters
    ----------
    times
        Of a session that never jumped: the n-th call is about the n-th block or hop.
    block, hop
        Samples of a device block and of one step of the separator.
    lead
        By how much the output ring was ahead at the start, in samples.
    """
    took = {name: both[1] - both[0] for name, both in times.items()}

    def rest(whole: str, *parts: str) -> np.ndarray:
        count = min(len(took[name]) for name in (whole, *parts))
        return took[whole][:count] - sum(took[name][:count] for name in parts)

    waits = _waits(times, block, hop, lead)
    woken_at = times["wake"][1]
    woken = times["awake"][0]
    last = np.searchsorted(woken_at, woken) - 1
    steps = (
        ("from indata to outdata", "", waits["whole"]),
        ("waits in the input ring", "", waits["in"]),
        ("is separated", "", waits["separated"]),
        ("waits in the output ring", "", waits["out"]),
        ("is mixed", "", waits["mixed"]),
        ("the callback in all", "audio", took["callback"]),
        ("block in and out, checks, levels", "audio", rest("callback", "feed", "take", "mix")),
        ("to the input ring and the delay line", "audio", took["feed"]),
        ("from the output ring, to the meter", "audio", took["take"]),
        ("faders, microphone, recorders", "audio", took["mix"]),
        ("the inference thread wakes up", "inference", (woken - woken_at[last])[last >= 0]),
        ("a hop in all", "inference", took["separate"]),
        ("analysis", "inference", took["analyse"]),
        ("features", "inference", took["features"]),
        ("network", "inference", took["network"]),
        ("estimate on spectra", "inference", took["apply"]),
        ("synthesis", "inference", took["synthesise"]),
        (
            "delay, residual, checks",
            "inference",
            rest("separate", "analyse", "features", "network", "apply", "synthesise"),
        ),
        ("to the output ring", "inference", took["deliver"]),
    )
    return [
        {"step": step, "thread": thread, "count": len(nanoseconds)}
        | {
            name: float(value) / 1e6
            for name, value in zip(
                ("p50_ms", "p99_ms", "max_ms"),
                np.percentile(nanoseconds, (50, 99, 100)),
                strict=True,
            )
        }
        for step, thread, nanoseconds in steps
    ]


def _waits(times: Times, block: int, hop: int, lead: int) -> dict[str, np.ndarray]:
    """Follow the last sample of each device block through both rings; times in nanoseconds."""
    blocks = np.arange(times["feed"].shape[1])
    last = (blocks + 1) * block - 1
    of_hop, of_take = last // hop, (last + lead) // block
    done = min(times["separate"].shape[1], times["deliver"].shape[1])
    known = (of_hop < done) & (of_take < times["callback"].shape[1])
    blocks, of_hop, of_take = blocks[known], of_hop[known], of_take[known]
    entered, played = times["callback"][0, blocks], times["callback"][1, of_take]
    begun, ended = times["separate"][0, of_hop], times["deliver"][1, of_hop]
    taken = times["take"][0, of_take]
    return {
        "whole": played - entered,
        "in": begun - entered,
        "separated": ended - begun,
        "out": taken - ended,
        "mixed": played - taken,
    }


def traced(asked: argparse.Namespace) -> dict[str, Any]:
    """Run a session under probes and return what they say."""
    block_size = load_separator(find_model(asked.model), device="cpu").block_size
    sound = np.tile(music(SONG_S), int((asked.seconds + SPARE_S) / SONG_S) + 1)
    with contextlib.ExitStack() as on:
        name = on.enter_context(tempfile.TemporaryDirectory(prefix="streamsep-trace-"))
        folder = Path(name)
        song, voice = folder / "song.wav", folder / "voice.wav"
        sf.write(song, sound.T, RATE, subtype="FLOAT")
        sf.write(voice, sound[0, ::-1], RATE, subtype="FLOAT")
        ends: dict[str, Any] = {"input": str(song), "output": "null"}
        if asked.server == "pulse":
            server = on.enter_context(pulse_server())
            os.environ.update(server.env())
            on.enter_context(server.player(song, "A"))
            ends = {"input": "pulse", "output": "pulse"}
        player = LivePlayer(
            **ends,
            model=asked.model,
            device="cpu",
            mic=str(voice),
            voice_effects="off",
            guide=30.0,
            block=asked.block,
            record=folder / "take.wav",
            seconds=asked.seconds,
            tune_process=True,
        )
        capacity = round((asked.seconds + SPARE_S) * RATE / min(asked.block, block_size))
        tracks = on.enter_context(probes(capacity))
        began, cpu = time.perf_counter(), time.process_time()
        with player:
            player.wait()
            stats = player.stats()
        cpu_share = (time.process_time() - cpu) / (time.perf_counter() - began)
    times = since_the_start(tracks)
    lead = stats.latency.buffering + stats.latency.slack
    return {
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "server": asked.server,
        "model": stats.model,
        "seconds": stats.seconds,
        "block": asked.block,
        "hop": block_size,
        "lead": lead,
        "dropouts": stats.dropouts,
        "device_glitches": stats.device_glitches,
        "cpu_share": cpu_share,
        "wakes_per_hop": times["awake"].shape[1] / times["separate"].shape[1],
        "rows": rows(times, block=asked.block, hop=block_size, lead=lead),
    }


def about(trace: dict[str, Any]) -> str:
    """Return what the figures are of, in a sentence or two."""
    through = "a private PulseAudio server" if trace["server"] == "pulse" else "no sound server"
    lead_ms = 1e3 * trace["lead"] / RATE
    return (
        f"{trace['seconds']:.0f} s of `{trace['model']}` through {through}, blocks of "
        f"{trace['block']}, hops of {trace['hop']}; commit {trace['commit']}, "
        f"{trace['processor']}, {trace['cores']} cores, load {trace['load']:.1f}. A block plays "
        f"{trace['lead']} samples ({lead_ms:.1f} ms) after it came in. The inference thread woke "
        f"{trace['wakes_per_hop']:.2f} times a hop; {trace['dropouts']} blocks were missed, "
        f"{trace['device_glitches']} lost by the server; the process took "
        f"{100 * trace['cpu_share']:.0f} % of a core."
    )


def cells(trace: dict[str, Any]) -> list[list[str]]:
    """Return the table's rows."""
    return [
        [
            row["step"],
            row["thread"] or "—",
            *(f"{row[name]:.3f}" for name in ("p50_ms", "p99_ms", "max_ms")),
        ]
        for row in trace["rows"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--block", type=int, default=512, help="samples of a device block")
    parser.add_argument(
        "--model", default=BUILTIN[0], help="another than the built-in one; not a whole-window one"
    )
    parser.add_argument("--server", choices=["pulse", "none"], default="pulse")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
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
    trace = json.loads(asked.earlier.read_text()) if asked.earlier else traced(asked)
    shown = Table(*HEADINGS, box=None, pad_edge=False)
    for row in cells(trace):
        shown.add_row(*row)
    console.print(about(trace))
    console.print(shown)
    if asked.json:
        asked.json.write_text(json.dumps(trace, indent=1) + "\n")
    if asked.markdown:
        text = f"{about(trace)}\n\n{table(HEADINGS, cells(trace))}"
        replace_section(asked.markdown, "trace", text)


if __name__ == "__main__":
    main()
