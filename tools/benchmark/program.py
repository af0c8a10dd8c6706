"""Measurements of the whole program, each in processes of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from benchmark.child import memory_mb
from benchmark.rounds import environment, pinned
from testing.signals import music

RATE = 44_100


@dataclass(frozen=True)
class Scene:
    """Where and how things are measured.

    Attributes
    ----------
    folder
        For songs and stems.
    cpus
        That commands may use.
    light
        Python of a light install, for what memory is used.
    quick
        Seconds in place of minutes: to see that it works, not how fast it is.
    device
        Where ``separate`` runs its model.
    """

    folder: Path
    cpus: tuple[int, ...]
    light: str
    quick: bool
    device: str = "cpu"

    def command(self, *arguments: str, python: str = sys.executable) -> list[str]:
        return [python, "-m", "streamsep", *arguments]

    def run(self, *arguments: str, cpus: int = 1) -> float:
        """Run a command of streamsep on so many cores, and return its seconds."""
        started = time.perf_counter()
        subprocess.run(
            self.command(*arguments),
            env=environment(cpus),
            preexec_fn=pinned(self.cpus[-cpus:]),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return time.perf_counter() - started

    def peak_mb(self, *arguments: str, cpus: int = 1) -> float | None:
        """Run a command, and return the most memory it had up to a moment before its end."""
        command, peak = self.command(*arguments), None
        with subprocess.Popen(
            command,
            env=environment(cpus),
            preexec_fn=pinned(self.cpus[-cpus:]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None:
                peak = memory_mb("VmHWM", process.pid) or peak
                time.sleep(0.02)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return peak

    def song(self, seconds: float, name: str = "song") -> Path:
        path = self.folder / f"{name}-{seconds:g}.flac"
        if not path.exists():
            sound = np.resize(music(min(seconds, 30.0)), (2, round(seconds * RATE)))
            sf.write(path, sound.T, RATE, subtype="PCM_16")
        return path

    def separation(self, seconds: float, *options: str, songs: int = 1) -> list[str]:
        """Return the command that separates songs of so many seconds."""
        names = [str(self.song(seconds, f"song{number}")) for number in range(songs)]
        out = str(self.folder / "stems")
        fixed = ("--overwrite", "--device", self.device)
        return ["separate", *names, "-o", out, *fixed, *options]

    def separate(self, seconds: float, *options: str, songs: int = 1, cpus: int = 1) -> float:
        """Separate songs of so many seconds, and return how long the command takes."""
        return self.run(*self.separation(seconds, *options, songs=songs), cpus=cpus)


def start(scene: Scene) -> dict[str, Any]:
    """From the command to the moment when the song is heard, its latency included."""
    times = []
    for _ in range(1 if scene.quick else 5):
        times.append(_first_sound(scene))
    return {"first_sound_s": statistics.median(times), "takes_s": times}


def _live(scene: Scene, python: str = sys.executable) -> subprocess.Popen[str]:
    song = scene.song(4.0 if scene.quick else 60.0)
    return subprocess.Popen(
        scene.command(
            "live",
            "--model",
            "live",
            "--input",
            str(song),
            "--output",
            "null",
            "--json",
            python=python,
        ),
        env=environment(1),
        preexec_fn=pinned(scene.cpus[-1:]),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _first_sound(scene: Scene) -> float:
    scene.song(4.0 if scene.quick else 60.0)
    started = time.perf_counter()
    with _live(scene) as process:
        assert process.stdout is not None
        for line in process.stdout:
            arrived, seen = time.perf_counter(), json.loads(line)
            # The clock of the output has run for time_s; what is heard then is older.
            if seen["time_s"] > 0:
                break
        process.terminate()
    return float(arrived - started - seen["time_s"] + seen["latency_ms"] / 1e3)


def help_text(scene: Scene) -> dict[str, Any]:
    """``streamsep --help``, files in the system's cache."""
    times = [scene.run("--help") for _ in range(3 if scene.quick else 11)]
    return {"help_s": statistics.median(times), "takes_s": times}


def memory(scene: Scene) -> dict[str, Any]:
    """Resident memory of ``live`` some seconds after its start."""
    with _live(scene, scene.light) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["time_s"] >= (0.5 if scene.quick else 5.0):
                break
        now, peak = (memory_mb(field, process.pid) for field in ("VmRSS", "VmHWM"))
        process.terminate()
    has_torch = subprocess.run([scene.light, "-c", "import torch"], capture_output=True)
    return {
        "resident_mb": now,
        "peak_mb": peak,
        "install": "development" if has_torch.returncode == 0 else "light",
    }


def separate(scene: Scene) -> dict[str, Any]:
    """FLAC in, stems out, on two cores, start of the program included."""
    seconds = 5.0 if scene.quick else 240.0
    cases: dict[str, tuple[int, tuple[str, ...]]] = {
        "one song to WAV": (1, ()),
        "one song to FLAC": (1, ("--format", "flac")),
        "two songs to WAV, --jobs 2": (2, ("--jobs", "2")),
    }
    speeds = {}
    for name, (songs, options) in cases.items():
        takes = [
            scene.separate(seconds, *options, songs=songs, cpus=min(2, len(scene.cpus)))
            for _ in range(1 if scene.quick else 3)
        ]
        speeds[name] = songs * seconds / statistics.median(takes)
    return {"song_s": seconds, "cores": min(2, len(scene.cpus)), "times_real_time": speeds}


def separate_memory(scene: Scene) -> dict[str, Any]:
    """Most memory of ``separate``: of a song, and of two at a time."""
    seconds = 5.0 if scene.quick else 240.0
    cpus, peaks = min(2, len(scene.cpus)), {}
    for name, jobs in (("one song to WAV", 1), ("two songs to WAV, --jobs 2", 2)):
        command = scene.separation(seconds, "--jobs", str(jobs), songs=jobs)
        peaks[name] = scene.peak_mb(*command, cpus=cpus)
    return {"song_s": seconds, "peak_mb": peaks}


def linear(scene: Scene) -> dict[str, Any]:
    """Cost of a further second between lengths: a ratio of 1 is linear."""
    lengths = (2.0, 4.0, 8.0) if scene.quick else (60.0, 240.0, 960.0)
    takes: list[list[float]] = [[], [], []]
    for _ in range(1 if scene.quick else 3):
        for index, length in enumerate(lengths):
            takes[index].append(scene.separate(length))
    short, middle, long = (statistics.median(each) for each in takes)
    early = (middle - short) / (lengths[1] - lengths[0])
    late = (long - middle) / (lengths[2] - lengths[1])
    return {
        "lengths_s": lengths,
        "times_s": [short, middle, long],
        "cost_per_s": [early, late],
        "ratio": late / early,
    }


def hour(scene: Scene) -> dict[str, Any]:
    """Cost of a hop and memory after an hour of sound; see ``aging``."""
    seconds = 20.0 if scene.quick else 3_600.0
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.aging", str(seconds)],
        env=environment(1),
        preexec_fn=pinned(scene.cpus[-1:]),
        check=True,
        capture_output=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


ROWS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "start": start,
    "help": help_text,
    "memory": memory,
    "separate": separate,
    "separate-memory": separate_memory,
    "linear": linear,
    "hour": hour,
}
