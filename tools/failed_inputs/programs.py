"""Making sound by ffmpeg, and running streamsep as a user does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.table import Verdict
from testing.servers import SoundServer, wait_until

ROOT = str(Path(__file__).parents[2])
RATE = 44_100
COMMAND = [sys.executable, "-m", "streamsep"]
MODEL = ("--model", "center-cut")  # any would do: these are questions of files and devices
PATIENCE_S = 300.0
# Root may enter any folder; without this right it is as anybody else.
RIGHTS = "-dac_override,-dac_read_search"
ORDINARY = ("setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}")
LOSSES = 12  # the exit code of what is done, with losses named
TOLD_S = 10.0  # for a line about what a server did
DOCTOR_S = 5.0  # at most; on a busy machine it may need longer


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def traceback(self) -> bool:
        return "Traceback" in self.err

    @property
    def last(self) -> str:
        return (self.err.strip().splitlines() or [""])[-1]


def environment(**changes: str | None) -> dict[str, str]:
    """That of a machine without a sound server, with changes; None takes a variable out."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PULSE_")}
    env |= {"PULSE_SERVER": "unix:/nonexistent/native"}
    env["PYTHONPATH"] = str(ROOT)
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def with_path(env: dict[str, str]) -> dict[str, str]:
    return env | {"PYTHONPATH": environment()["PYTHONPATH"]}


def run(
    *arguments: object,
    cwd: Path,
    env: dict[str, str] | None = None,
    before: tuple[str, ...] = (),
    **options,
) -> Done:
    """Run streamsep to its end, by another command if need be."""
    started = time.monotonic()
    done = subprocess.run(
        [*(before if os.geteuid() == 0 else ()), *COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE_S,
        **options,
    )
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def shell(script: str, cwd: Path, env: dict[str, str] | None = None) -> Done:
    """Run a line of a shell in which ``streamsep`` is the command."""
    command = " ".join(COMMAND)
    script = f'streamsep() {{ {command} "$@"; }}; {script}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(*arguments: object, cwd: Path, env: dict[str, str] | None = None, **options):
    """Start streamsep, its output in the files ``out`` and ``err``."""
    with (cwd / "out").open("w") as out, (cwd / "err").open("w") as err:
        options = {"stdout": out, "stderr": err} | options
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=cwd, env=env or environment(), **options
        )


@contextlib.contextmanager
def live(place: Path, server: SoundServer, *arguments: object, **devices) -> Iterator:
    env = server.env(**devices) | {"PYTHONPATH": str(ROOT)}
    process = start("live", *arguments, *MODEL, cwd=place, env=env)
    try:
        wait_until(
            lambda: "hop p50 " in (place / "out").read_text() or process.poll() is not None,
            "the music",
        )
        if process.poll() is not None:
            raise AssertionError((place / "err").read_text())
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def says(place: Path, part: str) -> str:
    text = (place / "out").read_text() + (place / "err").read_text()
    return next((line for line in text.splitlines() if part in line), "")


def told(place: Path, part: str) -> str:
    """What it says, as soon as it does; a busy machine takes its time."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: says(place, part), part, TOLD_S)
    return says(place, part)


def separate(place: Path, *arguments: object, **options) -> Done:
    return run("separate", *arguments, *MODEL, cwd=place, **options)


def ffmpeg(place: Path, *arguments: object) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, cwd=place, check=True, stdin=subprocess.DEVNULL)


def tone(path: Path, seconds: float = 60.0, hertz: float = 330.0, level_db: float = -12.0) -> Path:
    """Make a sine by ffmpeg, in whatever the suffix says."""
    ffmpeg(
        path.parent,
        *("-f", "lavfi", "-i", f"sine=f={hertz:g}:d={seconds:g}:r={RATE}"),
        *("-af", f"volume={level_db:g}dB", "-ac", "2", path),
    )
    return path


def noise(path: Path, seconds: float, seed: int = 0, **options) -> Path:
    sound = np.random.default_rng(seed).uniform(-0.3, 0.3, (int(seconds * RATE), 2))
    sf.write(path, sound, RATE, **options)
    return path


def length(path: Path) -> float:
    return sf.info(path).duration if path.exists() else 0.0


def sum_of_stems(place: Path, name: str) -> np.ndarray:
    """Return (N, C): what came in, as it went to the model."""
    parts = [sf.read(place / f"{name}.{stem}.wav", always_2d=True)[0] for stem in STEMS]
    return sum(parts)


STEMS = ("beat", "vocals")


def peaks(sound: np.ndarray) -> tuple[float, float]:
    left, right = (float(np.abs(side).max()) for side in sound.T)
    return left, right


def lengths_are(place: Path, name: str, seconds: float, done: Done, codes=(0,)) -> Verdict:
    got = [length(place / f"{name}.{stem}.wav") for stem in STEMS]
    right = all(abs(each - seconds) < 0.06 for each in got) and done.code in codes
    return right and not done.traceback, f"{got[0]:.2f} of {seconds:.2f} s, exit {done.code}"
