"""A private, real PulseAudio server with null sinks, and the players and recorders around it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

PACKAGES = "pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"
PROGRAMS = ("pulseaudio", "pactl", "paplay", "parec")

# Null sinks by name, each with its rate; AB is one sink of four channels on one clock, whose
# front pair is also the sink FRONT and the source FRONT_IN, and whose rear pair is the sink REAR.
SINKS = {"A": 44_100, "B": 44_100, "A48": 48_000, "B48": 48_000}
FRONT, REAR = "front-left,front-right", "rear-left,rear-right"

PATIENCE_S = 30.0  # far beyond what anything here takes: reached means it never comes


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until ``condition()`` is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


class PulseServer:
    """A running server; `pulse_server` starts and stops one."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise AssertionError(
                f"the tests against a real sound server need {', '.join(missing)}: "
                f"apt-get install --no-install-recommends {PACKAGES}"
            )
        self.folder = folder
        folder.chmod(0o700)
        self._own = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
            "PULSE_CONFIG": str(folder / "daemon.conf"),
        }
        for name in ("pulse", "state"):
            (folder / name).mkdir(mode=0o700)
        (folder / "default.pa").write_text(self._script())
        # By default the kernel ends it when it computes for 200 ms under real-time scheduling.
        (folder / "daemon.conf").write_text("rlimit-rttime = -1\n")
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("PULSE_", "DISPLAY"))}
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [
                "pulseaudio", "-n", "-F", str(folder / "default.pa"), "--daemonize=no",
                "--exit-idle-time=-1", "--use-pid-file=no",
                "--log-level=debug", f"--log-target=file:{self.log}",
            ],
            env=outside | self._own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(self._is_up, f"PulseAudio (its log: {self.log})")
        except BaseException:
            self.kill()
            raise
        self._promote()

    def _script(self) -> str:
        lines = [f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.socket}"]
        lines += [
            f"load-module module-null-sink sink_name={name} rate={rate} channels=2 format=float32le"
            for name, rate in SINKS.items()
        ]
        lines.append(
            "load-module module-null-sink sink_name=AB rate=44100 channels=4 format=float32le "
            f"channel_map={FRONT},{REAR}"
        )
        pair = "channels=2 channel_map=front-left,front-right remix=no"
        lines += [
            f"load-module module-remap-sink sink_name=FRONT master=AB {pair} "
            f"master_channel_map={FRONT}",
            f"load-module module-remap-sink sink_name=REAR master=AB {pair} "
            f"master_channel_map={REAR}",
            f"load-module module-remap-source source_name=FRONT_IN master=AB.monitor {pair} "
            f"master_channel_map={FRONT}",
            "set-default-sink B",
            "set-default-source A.monitor",
        ]
        return "\n".join(lines) + "\n"

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"PulseAudio ended at once: {self.log.read_text()}")
        return self.pactl("info", check=False).returncode == 0

    def _promote(self) -> None:
        """Put the server above the tests, as desktops do; refused without the right to."""
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(5))

    @property
    def socket(self) -> Path:
        return self.folder / "native"

    def env(self, *, source: str = "A.monitor", sink: str = "B") -> dict[str, str]:
        """Environment of a program that listens to ``source`` and plays on ``sink``."""
        return {
            **os.environ, **self._own,
            "PULSE_SERVER": f"unix:{self.socket}", "PULSE_SOURCE": source, "PULSE_SINK": sink,
        }  # fmt: skip

    def pactl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", *arguments], env=self.env(), capture_output=True, text=True, check=check
        )

    def streams(self, kind: str, on: str) -> list[str]:
        """Return the ``sink-inputs`` or ``source-outputs`` on a sink or source."""
        devices = self.pactl("list", "short", "sinks" if kind == "sink-inputs" else "sources")
        index = next(d.split()[0] for d in devices.stdout.splitlines() if d.split()[1] == on)
        listed = self.pactl("list", "short", kind).stdout.splitlines()
        return [line for line in listed if line.split()[1] == index]

    @contextlib.contextmanager
    def playing(self, song: Path, sink: str):
        """Play a file with another program, to its end before the context ends."""
        with subprocess.Popen(["paplay", str(song)], env=self.env(sink=sink)) as player:
            yield
        assert player.returncode == 0, "the player failed"

    def play(self, song: Path, sink: str) -> None:
        """Play a file to its end with another program."""
        with self.playing(song, sink):
            pass

    @contextlib.contextmanager
    def recording(self, source: str, *, rate: int = 44_100, channels: str = FRONT):
        """Record a source with another program; yields a `Take`, running."""
        count = channels.count(",") + 1
        path = Path(tempfile.mkstemp(dir=self.folder, suffix=".raw")[1])
        with path.open("wb") as file:
            recorder = subprocess.Popen(
                [
                    "parec", f"--device={source}", "--format=float32le", f"--rate={rate}",
                    f"--channels={count}", f"--channel-map={channels}", "--raw",
                    "--latency-msec=50",
                ],
                env=self.env(), stdout=file,
            )  # fmt: skip
        take = Take(path, count)
        try:
            wait_until(lambda: take.frames > 0, f"the first samples of {source}")
            yield take
        finally:
            recorder.terminate()
            recorder.wait()

    @property
    def underruns(self) -> int:
        """How often any stream's sound hasn't come in time, by the server's own account."""
        return self.log.read_text(errors="replace").count("underrun of '")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


class Take:
    """What a recorder has written so far."""

    def __init__(self, path: Path, channels: int) -> None:
        self._path, self._channels = path, channels

    @property
    def frames(self) -> int:
        return self._path.stat().st_size // (4 * self._channels)

    def wait_for(self, frames: int) -> None:
        """Wait until ``frames`` more have come."""
        goal = self.frames + frames
        wait_until(lambda: self.frames >= goal, f"{frames} more frames of the recording")

    def sound(self) -> np.ndarray:
        """Return (C, N)."""
        samples = np.fromfile(self._path, np.float32)
        return samples[: samples.size // self._channels * self._channels].reshape(
            -1, self._channels
        ).T  # fmt: skip


@contextlib.contextmanager
def pulse_server() -> Iterator[PulseServer]:
    """Start a server of one's own, and stop it."""
    # Not pytest's folders: a socket's path may be no longer than 107 characters.
    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        server = PulseServer(Path(folder))
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
