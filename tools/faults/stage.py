"""A sound server with who plays, who sings and who listens around a live run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np

from faults.sound import RATE, VOICE_HZ, song_part, tone
from testing.servers import (
    JackServer,
    SoundServer,
    jack_server,
    pipewire_server,
    pulse_server,
    wait_until,
)

PLAYER = "chaos-song"
JACK_PERIOD = 512
AWAY_S = 2.0  # how long what is taken away is gone
Sound = Callable[[], np.ndarray]


class Stage(ABC):
    """A running server and what stands around the program; a context manager.

    Parameters
    ----------
    folder
        Its own, for what is played and recorded.
    number
        Of the run: `inputs` take turns.

    Attributes
    ----------
    kind
        The program's input.
    """

    name: str
    inputs: tuple[str, ...]  # of the program: loopback, file
    ends_players = signal.SIGKILL
    rate = RATE  # of what is listened to

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.kind = self.inputs[number % len(self.inputs)]
        self._stack = ExitStack()
        self._players: list[subprocess.Popen[bytes]] = []
        song_part().tofile(folder / "song.raw")
        tone(VOICE_HZ, 1.0).tofile(folder / "voice.raw")

    def __enter__(self) -> Stage:
        with ExitStack() as stack:
            self._stack = stack
            self._first_start()
            stack.callback(self._end_players)
            self._play()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @abstractmethod
    def _first_start(self) -> None:
        """Start the server, to be stopped by the stack."""

    @abstractmethod
    def _play(self) -> None:
        """Have song and voice played, and wait for both."""

    @abstractmethod
    def env(self) -> dict[str, str]:
        """Return the environment of the program."""

    @abstractmethod
    def options(self, song: Path) -> list[str]:
        """Return the program's devices; ``song`` is the file where that is its input."""

    @abstractmethod
    def restart(self, rate: int = RATE) -> None:
        """Kill the server, and have it back after a while, with all that plays."""

    @abstractmethod
    def take_away_voice(self) -> None:
        """Take the microphone away for a while."""

    @abstractmethod
    def listening(self) -> AbstractContextManager[Sound]:
        """Listen to what comes out; yields what gives (N,) since then, when it has begun."""

    @abstractmethod
    def left_behind(self, process: int) -> list[str]:
        """Return what is in the server of the program, a line each."""

    @abstractmethod
    def servers(self) -> list[int]:
        """Return the server's processes."""

    def _start_player(self, command: list[str], env: dict[str, str]) -> None:
        # A session of its own: it ends with all that it has started.
        self._players.append(
            subprocess.Popen(
                command,
                env=env,
                cwd=Path(__file__).parents[2],
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def _end_players(self) -> None:
        for player in self._players:
            with suppress(ProcessLookupError):
                os.killpg(player.pid, self.ends_players)
            player.wait()
        self._players.clear()


class PulseStage(Stage):
    """Song on the sink A, a microphone VOICE, the output on the sink B; of PipeWire too."""

    inputs = ("loopback", "file")

    def __init__(self, folder: Path, number: int, *, pipewire: bool) -> None:
        super().__init__(folder, number)
        self.name, self._pipewire = "pipewire" if pipewire else "pulse", pipewire
        # Else PulseAudio's null sinks have two seconds of silence ready, as no sound card has.
        self._at_once = () if pipewire else ("format=float32le", "norewinds=1")
        self._server: SoundServer

    def _first_start(self) -> None:
        kind = pipewire_server() if self._pipewire else pulse_server(at_once=True)
        self._server = self._stack.enter_context(kind)

    def _load(self, module: str, name: str, *rest: str) -> None:
        self._server.pactl("load-module", module, name, *rest)
        kind, wanted = name.split("=")
        listed = "sinks" if kind == "sink_name" else "sources"
        wait_until(
            lambda: f"\t{wanted}\t" in self._server.pactl("list", "short", listed).stdout, wanted
        )

    def _load_sink(self, name: str, rate: int = RATE) -> None:
        self._load("module-null-sink", f"sink_name={name}", f"rate={rate}", *self._at_once)

    def _load_voice(self) -> None:
        self._load("module-remap-source", "source_name=VOICE", "master=MIC.monitor")

    def _unload(self, name: str) -> None:
        listed = self._server.pactl("list", "short", "modules").stdout.splitlines()
        (module,) = (row.split("\t")[0] for row in listed if f"{name} " in f"{row} ")
        self._server.pactl("unload-module", module)

    def _play(self) -> None:
        self._load_sink("MIC")
        self._load_voice()
        # Beside a file's song it would follow the default sink to our output, and cancel it there.
        song = [("song", "A")] if self.kind == "loopback" else []
        for name, sink in (*song, ("voice", "MIC")):
            sound = self.folder / f"{name}.raw"
            form = f"--format=float32le --rate={RATE} --channels=1 --raw --latency-msec=100"
            player = f"pacat --playback --client-name=chaos-{name} {form}"
            self._start_player(
                ["sh", "-c", f"while cat '{sound}'; do :; done | {player}"],
                self._server.env(sink=sink),
            )
            # Wherever it plays: the program may have moved it to its own sink by now.
            wait_until(partial(self._plays, f"chaos-{name}"), name)

    def _plays(self, client: str) -> bool:
        return f'"{client}"' in self._server.pactl("list", "sink-inputs").stdout

    def env(self) -> dict[str, str]:
        return self._server.env(source="VOICE", sink="B")

    def options(self, song: Path) -> list[str]:
        if self.kind == "loopback":
            return ["--input", "loopback", "--capture", PLAYER, "--mic", "pulse"]
        return ["--input", str(song), "--output", "pulse", "--mic", "pulse"]

    def restart(self, rate: int = RATE) -> None:
        self._server.kill()
        self._end_players()
        time.sleep(AWAY_S)
        self._server.start()
        self._play()

    def take_away_sink(self, rate: int = RATE) -> None:
        """Take the output's sink away for a while; it may come back at another rate."""
        self._unload("sink_name=B")
        time.sleep(AWAY_S)
        self._load_sink("B", rate)

    def take_away_voice(self) -> None:
        self._unload("source_name=VOICE")
        time.sleep(AWAY_S)
        self._load_voice()

    def change_default(self) -> None:
        """Make another sink the default one for a while."""
        self._server.pactl("set-default-sink", "A")
        time.sleep(AWAY_S)
        self._server.pactl("set-default-sink", "B")

    @contextmanager
    def listening(self) -> Iterator[Sound]:
        with self._server.recording("B.monitor") as take:
            yield lambda: take.sound()[0]

    def left_behind(self, process: int) -> list[str]:
        return [
            row
            for kind in ("modules", "sink-inputs", "source-outputs")
            for row in self._server.pactl("list", "short", kind).stdout.splitlines()
            if "streamsep" in row or str(process) in row.split()
        ]

    def servers(self) -> list[int]:
        return [process.pid for process in self._server.processes]


class JackStage(Stage):
    """The program on the driver's ports; a client sings to it, and one records it."""

    name = "jack"
    inputs = ("file",)
    ends_players = signal.SIGTERM  # see testing/jack_ends.py

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        self._server: JackServer
        self._running = ExitStack()
        self._takes = 0

    def _first_start(self) -> None:
        self._stack.callback(lambda: self._running.close())
        self._start(RATE)

    def _start(self, rate: int) -> None:
        self._running.close()
        self._running = ExitStack()
        self._server = self._running.enter_context(jack_server(JACK_PERIOD, rate=rate))
        self.rate = rate

    def _play(self) -> None:
        tone(VOICE_HZ, 1.0, self.rate).tofile(self.folder / "voice.raw")
        self._takes += 1
        self._take = self.folder / f"heard{self._takes}.raw"
        for kind, path in (("play", self.folder / "voice.raw"), ("record", self._take)):
            self._start_player(
                [sys.executable, "-m", "testing.jack_ends", kind, str(path)], self._server.env()
            )
        wait_until(lambda: {"player:out", "recorder:in"} <= set(self._ports()), "both ends")

    def _ports(self) -> list[str]:
        done = subprocess.run(["jack_lsp"], env=self._server.env(), capture_output=True, text=True)
        return done.stdout.split()

    def env(self) -> dict[str, str]:
        # Else ALSA's plug-in for PulseAudio looks for a server of the user's.
        return self._server.env() | {"PULSE_SERVER": f"unix:{self.folder / 'none'}"}

    def options(self, song: Path) -> list[str]:
        return ["--input", str(song), "--output", "system", "--mic", "system"]

    def restart(self, rate: int = RATE) -> None:
        self._server.process.kill()
        self._server.process.wait()
        self._end_players()
        time.sleep(AWAY_S)
        self._start(rate)
        self._play()

    def take_away_voice(self) -> None:
        self._end_players()
        time.sleep(AWAY_S)
        self._play()

    @contextmanager
    def listening(self) -> Iterator[Sound]:
        begin = self._take.stat().st_size // 4
        wait_until(lambda: self._take.stat().st_size // 4 > begin, "what the recorder hears")
        yield lambda: np.fromfile(self._take, np.float32)[begin:]

    def left_behind(self, process: int) -> list[str]:
        return [port for port in self._ports() if port.startswith("streamsep")]

    def servers(self) -> list[int]:
        return [self._server.process.pid]


STAGES: dict[str, Callable[[Path, int], Stage]] = {
    "pulse": partial(PulseStage, pipewire=False),
    "pipewire": partial(PulseStage, pipewire=True),
    "jack": JackStage,
}
