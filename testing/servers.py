"""Private, real sound servers with null sinks, and the players and recorders around them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

PACKAGES = "pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"
CLIENTS = ("pactl", "paplay", "parec")
JACK_PACKAGES = "jackd2 libportaudio2"
PIPEWIRE_PACKAGES = "pipewire pipewire-pulse wireplumber dbus-daemon pulseaudio-utils"

# Null sinks by name, each with its rate; AB is one sink of four channels on one clock, whose
# front pair is also the sink FRONT and the source FRONT_IN, and whose rear pair is the sink REAR.
SINKS = {"A": 44_100, "B": 44_100, "A48": 48_000, "B48": 48_000}
FRONT, REAR = "front-left,front-right", "rear-left,rear-right"

PATIENCE_S = 30.0  # far beyond what anything here takes: reached means it never comes


def wait_until(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Poll until ``condition()`` is true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


def listens(path: Path) -> bool:
    """Say whether a socket takes connections: it is there before that."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class SoundServer(ABC):
    """A running server that speaks PulseAudio's protocol.

    Parameters
    ----------
    folder
        Its own, for the sockets and all it writes.
    programs, packages
        What it needs, and where that comes from.
    """

    processes: list[subprocess.Popen]  # the last one speaks the protocol
    socket: Path

    def __init__(self, folder: Path, programs: tuple[str, ...], packages: str) -> None:
        missing = [name for name in (*programs, *CLIENTS) if shutil.which(name) is None]
        if missing:
            raise AssertionError(
                f"the tests against a real sound server need {', '.join(missing)}: "
                f"apt-get install --no-install-recommends {packages}"
            )
        self.folder = folder
        folder.chmod(0o700)
        self._own = {"XDG_RUNTIME_DIR": str(folder)}
        self.processes = []

    def _outside(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith(("PULSE_", "DISPLAY"))}

    def _start(self, *command: str | Path) -> None:
        self.processes.append(
            subprocess.Popen(
                command,
                env=self._outside() | self._own,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def _promote(self) -> None:
        """Put the server above the tests, as desktops do; refused without the right to."""
        with contextlib.suppress(OSError):
            for process in self.processes:
                for task in os.listdir(f"/proc/{process.pid}/task"):
                    os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(5))

    @abstractmethod
    def start(self) -> None:
        """Start it, for the first time or again after `kill`, and wait until it answers.

        Whatever comes of it, `stop` must follow.
        """

    def _wait_until_up(self) -> None:
        wait_until(self._is_up, f"{type(self).__name__} in {self.folder}")

    def _is_up(self) -> bool:
        ended = [process.args for process in self.processes if process.poll() is not None]
        if ended:
            raise AssertionError(f"ended at once: {ended}")
        return self.pactl("info", check=False).returncode == 0

    def env(self, *, source: str | None = "A.monitor", sink: str | None = "B") -> dict[str, str]:
        """Environment of a program that listens to ``source`` and plays on ``sink``.

        None leaves it to the server.
        """
        chosen = {"PULSE_SOURCE": source, "PULSE_SINK": sink}
        return {
            **self._outside(),
            **self._own,
            "PULSE_SERVER": f"unix:{self.socket}",
            **{name: device for name, device in chosen.items() if device is not None},
        }

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

    def sink_names(self) -> list[str]:
        listed = self.pactl("list", "short", "sinks").stdout.splitlines()
        return [line.split()[1] for line in listed]

    def default_sink(self) -> str:
        return self.pactl("get-default-sink").stdout.strip()

    def sink_of(self, process: subprocess.Popen) -> str | None:
        """Return the name of the sink that a process plays on, None if it doesn't play."""
        names = {sink["index"]: sink["name"] for sink in self._listed("sinks")}
        for stream in self._listed("sink-inputs"):
            if stream["properties"].get("application.process.id") == str(process.pid):
                return names.get(stream["sink"])
        return None

    def _listed(self, kind: str) -> list[dict]:
        return json.loads(self.pactl("--format=json", "list", kind).stdout)

    @contextlib.contextmanager
    def player(self, song: Path, sink: str | None, *, name: str = "paplay"):
        """Play a file until the context ends; yields the process, heard by the server."""
        with subprocess.Popen(
            ["paplay", f"--client-name={name}", str(song)], env=self.env(sink=sink)
        ) as process:
            try:
                wait_until(lambda: self.sink_of(process), f"the player's stream on {sink}")
                yield process
            finally:
                process.kill()

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
                    "parec",
                    f"--device={source}",
                    "--format=float32le",
                    f"--rate={rate}",
                    f"--channels={count}",
                    f"--channel-map={channels}",
                    "--raw",
                    "--latency-msec=50",
                ],
                env=self.env(),
                stdout=file,
            )
        take = Take(path, count)
        try:
            wait_until(lambda: take.frames > 0, f"the first samples of {source}")
            yield take
        finally:
            recorder.terminate()
            recorder.wait()

    def stop(self) -> None:
        """End it; raise `AssertionError` if it had crashed, which no test is to be blamed for."""
        ended = [(process.args, process.poll()) for process in self.processes]
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        by_tests = (None, 0, -signal.SIGTERM, -signal.SIGKILL)
        crashed = [one for one in ended if one[1] not in by_tests]
        assert not crashed, f"sound servers crashed: {crashed}"

    def kill(self) -> None:
        """End it as a crash would, but for the sockets, which would look like those of another."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.processes.clear()
        for path in (*self.folder.iterdir(), self.socket):
            if path.is_socket():
                path.unlink()


class PulseServer(SoundServer):
    """PulseAudio; `pulse_server` starts and stops one.

    Parameters
    ----------
    folder
        Its own.
    sinks
        Whether it has the sinks that are described above, or none.
    at_once
        Whether the sinks take what a new player has at once, as sound cards do. Else a null sink
        that nobody plays on has two seconds of silence ready, and any player waits for as long.
    remixing
        Whether channels that a stream lacks are mixed into those that it has.
    """

    def __init__(
        self, folder: Path, *, sinks: bool = True, at_once: bool = False, remixing: bool = True
    ) -> None:
        super().__init__(folder, ("pulseaudio",), PACKAGES)
        self.socket = folder / "native"
        self._null = "format=float32le" + " norewinds=1" * at_once
        self._own |= {
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
            "PULSE_CONFIG": str(folder / "daemon.conf"),
        }
        for name in ("pulse", "state"):
            (folder / name).mkdir(mode=0o700)
        (folder / "default.pa").write_text(self._script(sinks))
        # By default the kernel ends it when it computes for 200 ms under real-time scheduling.
        settings = f"rlimit-rttime = -1\nenable-remixing = {'yes' if remixing else 'no'}\n"
        (folder / "daemon.conf").write_text(settings)
        self.log = folder / "log"

    def start(self) -> None:
        self._start(
            "pulseaudio",
            "-n",
            "-F",
            self.folder / "default.pa",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--log-level=debug",
            f"--log-target=file:{self.log}",
        )
        self._wait_until_up()
        self._promote()

    def _script(self, sinks: bool) -> str:
        lines = [f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.socket}"]
        if not sinks:
            return f"{lines[0]}\nload-module module-always-sink\n"
        lines += [
            f"load-module module-null-sink sink_name={name} rate={rate} channels=2 {self._null}"
            for name, rate in SINKS.items()
        ]
        lines.append(
            f"load-module module-null-sink sink_name=AB rate=44100 channels=4 {self._null} "
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

    @property
    def underruns(self) -> int:
        """How often any stream's sound hasn't come in time, by the server's own account."""
        return self.log.read_text(errors="replace").count("underrun of '")


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
        return (
            samples[: samples.size // self._channels * self._channels].reshape(-1, self._channels).T
        )


class PipeWireServer(SoundServer):
    """PipeWire in PulseAudio's place, with WirePlumber, as today's desktops have it."""

    def __init__(self, folder: Path) -> None:
        programs = ("dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse")
        super().__init__(folder, programs, PIPEWIRE_PACKAGES)
        self.socket = folder / "pulse" / "native"
        self.sinks_after_s = 0.0  # sound cards too are found only after the server is up
        bus = f"unix:path={folder / 'bus'}"
        self._own |= {
            "XDG_CONFIG_HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "DBUS_SESSION_BUS_ADDRESS": bus,
            "DBUS_SYSTEM_BUS_ADDRESS": bus,
        }

    def start(self) -> None:
        bus = self._own["DBUS_SESSION_BUS_ADDRESS"]
        self._start("dbus-daemon", "--session", "--nofork", f"--address={bus}")
        wait_until(lambda: listens(self.folder / "bus"), "the message bus")
        self._start("pipewire")
        wait_until(lambda: listens(self.folder / "pipewire-0"), "PipeWire")
        self._start("wireplumber")
        self._start("pipewire-pulse")
        self._wait_until_up()
        time.sleep(self.sinks_after_s)
        # What plays on the default, and listens to it, moves on with it: A never is it.
        for name in ("B", "A"):
            self.pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=44100")
            wait_until(self._b_is_default, "the default sink")
        wait_until(lambda: {"A", "B"} <= set(self.sink_names()), "the null sinks")
        self._promote()

    def _b_is_default(self) -> bool:
        self.pactl("set-default-sink", "B", check=False)  # refused as long as WirePlumber starts
        return self.default_sink() == "B"


@contextlib.contextmanager
def running(kind: Callable[..., SoundServer], **options) -> Iterator[SoundServer]:
    """Start a server of one's own, and stop it."""
    # Not pytest's folders: a socket's path may be no longer than 107 characters.
    with tempfile.TemporaryDirectory(prefix="sound-", ignore_cleanup_errors=True) as folder:
        server = kind(Path(folder), **options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def pulse_server(**options) -> contextlib.AbstractContextManager[PulseServer]:
    """Start PulseAudio, and stop it."""
    return running(PulseServer, **options)


def pipewire_server() -> contextlib.AbstractContextManager[PipeWireServer]:
    """Start PipeWire, and stop it."""
    return running(PipeWireServer)


class JackServer:
    """JACK with the dummy driver; `jack_server` starts and stops one."""

    def __init__(self, name: str, process: subprocess.Popen) -> None:
        self._name, self.process = name, process

    def env(self) -> dict[str, str]:
        """Environment of a client."""
        return os.environ | {"JACK_DEFAULT_SERVER": self._name, "JACK_NO_START_SERVER": "1"}


@contextlib.contextmanager
def jack_server(period: int, *, rate: int = 44_100) -> Iterator[JackServer]:
    """Start JACK with so many frames a period, and stop it."""
    if shutil.which("jackd") is None:
        raise AssertionError(f"no jackd: apt-get install --no-install-recommends {JACK_PACKAGES}")
    name = f"streamsep-{os.getpid()}"
    command = ["jackd", "-R", "-P", "15", "-n", name, "-d", "dummy", "-r", rate, "-p", period]
    with subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"JACK_NO_AUDIO_RESERVATION": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait = ["jack_wait", "-s", name, "-w", "-t", str(int(PATIENCE_S))]
            subprocess.run(wait, check=True, capture_output=True)
            yield JackServer(name, process)
        finally:
            process.terminate()
            process.wait()
            for semaphore in Path("/dev/shm").glob(f"jack_sem.*_{name}_*"):  # of killed clients
                semaphore.unlink(missing_ok=True)
