"""Running the real command line in processes of its own."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testing.servers import PulseServer, wait_until

COMMAND = [sys.executable, "-m", "streamsep"]
PATIENCE_S = 60.0  # far beyond what any of these runs takes
# A virtual machine may stand still for longer than any buffer of the sound system lasts; then
# the server underruns or the session reports losses. Such a take says nothing about what comes
# out of a healthy one, so it is taken again. A difference that nobody reported fails at once.
TAKES = 6


def without_sound() -> dict[str, str]:
    """Environment of a machine with PortAudio but without a sound server."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith("PULSE_")}
    return outside | {"PULSE_SERVER": "unix:/nonexistent/native"}


def limit_files(largest_file: int | None) -> Callable[[], None]:
    """Return what makes every write beyond so many bytes of a file fail, as on a full disk."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return limit


def streamsep(
    *arguments, env=None, largest_file: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``stdout`` and ``stderr`` are text."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env or without_sound(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        preexec_fn=limit_files(largest_file),
    )


def ffmpeg(*arguments) -> None:
    """Run ffmpeg; an existing file is overwritten."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


# Of short losses of a device, for which there is silence in recordings: told when they are over.
MOMENTS = " for moments, "


@dataclass
class Losses:
    """What was lost, by the session's account and by the server's."""

    session: int = 0
    server: int = 0


class Live:
    """``streamsep live`` in the background; a context manager that ends it.

    Parameters
    ----------
    folder
        Where its output is kept.
    arguments
        What follows ``live``.
    largest_file
        See `limit_files`.
    """

    def __init__(self, folder: Path, *arguments, env=None, largest_file: int | None = None):
        self.losses = Losses()
        self._before = 0
        self._files = [folder / "live.out", folder / "live.err"]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "live", *map(str, arguments)],
                env=env or without_sound(),
                stdout=out,
                stderr=err,
                preexec_fn=limit_files(largest_file),
            )

    @property
    def stdout(self) -> str:
        return self._files[0].read_text()

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    def wait_until_running(self) -> None:
        """Wait until blocks have gone through the model."""
        wait_until(self._runs_or_ended, "the first block in live")
        assert self.process.poll() is None, self.stderr

    def _runs_or_ended(self) -> bool:
        return re.search(r"hop p50 \d", self.stdout) is not None or self.process.poll() is not None

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(PATIENCE_S)
        self.losses.session = self._lost - self._before + self.stdout.count(MOMENTS)
        return code

    @contextmanager
    def losses_while(self, server: PulseServer):
        """Wait until it runs; count in ``losses`` what is lost from now to its end."""
        self.wait_until_running()
        self._before, before = self._lost, server.underruns
        yield
        self.losses.server = server.underruns - before

    @property
    def _lost(self) -> int:
        """Blocks that the last status line calls lost; none where it was ended before one."""
        told = re.findall(r"dropouts (\d+)", self.stdout)
        return int(told[-1]) if told else 0

    @property
    def latencies_ms(self) -> tuple[int, set[int]]:
        """The latest reported latency; by how much measured ones were off in any line."""
        shown = re.findall(r"latency (\d+) ms \(measured (\d+|…)\)", self.stdout)
        off = {int(measured) - int(reported) for reported, measured in shown if measured != "…"}
        return int(shown[-1][0]), off

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
