"""``streamsep party`` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from testing.servers import wait_until

COMMAND = [sys.executable, "-m", "streamsep", "party"]
PATIENCE_S = 60.0  # far beyond what ending takes


class PartyRun:
    """A party over a folder, with its own configuration; a context manager that ends it.

    Parameters
    ----------
    folder
        Where its output and all that it keeps are.
    music
        Of its songs.
    """

    def __init__(self, folder: Path, music: Path, *arguments, env=None):
        self._files = [folder / "party.out", folder / "party.err"]
        env = dict(env or os.environ) | {"XDG_CONFIG_HOME": str(folder / "config")}
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [*COMMAND, str(music), *map(str, arguments)],
                env=env,
                stdout=out,
                stderr=err,
            )

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    def address(self, whose: str) -> str:
        """Where ``guests``, ``host`` or ``screen`` come in, once it has said so."""
        wait_until(lambda: self._said(whose) or self.process.poll() is not None, "the addresses")
        assert self.process.poll() is None, self.stderr
        return self._said(whose)[1]

    def _said(self, whose):
        return re.search(rf"^{whose}: +(\S+)$", self._files[0].read_text(), flags=re.MULTILINE)

    def end(self, number=signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
