"""A real terminal: a shell in tmux, with keys to press and text to look at."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from testing.servers import wait_until
from tests.support.commands import COMMAND, without_sound

PROMPT = "ready> "
SHELL = f"env PS1='{PROMPT}' sh -i -m"  # with job control, so that Ctrl-Z means something


class Terminal:
    """A context manager around a tmux server of its own with one window.

    Parameters
    ----------
    folder
        For its socket.
    columns, rows
        Size of the window.
    env
        Environment of what runs in it.
    """

    def __init__(self, folder: Path, columns: int, rows: int, env=None):
        self._asked = 0
        self._socket = folder / "tmux"
        self._size = ("-x", str(columns), "-y", str(rows))
        outside = {k: v for k, v in (env or without_sound()).items() if k != "TMUX"}
        self._env = outside | {
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ),
        }

    def __enter__(self):
        # -f: nobody's own settings.
        self._tmux("-f", os.devnull, "-u", "new-session", "-d", *self._size, SHELL)
        try:
            wait_until(lambda: self.text.startswith(PROMPT.strip()), "the shell's prompt")
        except BaseException:
            self._tmux("kill-server")
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            env=self._env,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @property
    def text(self) -> str:
        """What is to be seen, without spaces at line ends."""
        return self._tmux("capture-pane", "-p")

    @property
    def cursor_visible(self) -> bool:
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def alternate_screen(self) -> bool:
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def send(self, number: int) -> None:
        """Send a signal to what runs in the foreground."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        group = Path(f"/proc/{shell}/stat").read_text().rpartition(")")[2].split()[5]
        os.killpg(int(group), number)

    def press(self, *keys: str) -> None:
        """Press keys, named as tmux does: letters, Up, Space, C-c."""
        self._tmux("send-keys", *keys)

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self._tmux("send-keys", "-l", line)
        self.press("Enter")

    def live(self, *arguments) -> None:
        """Start ``streamsep live``; its exit code is shown when it ends."""
        command = shlex.join([*COMMAND, "live", *map(str, arguments)])
        self.type(f"clear; {command}; echo exit code $?")

    def wait_for(self, *parts: str) -> str:
        """Wait until all these are to be seen, and return all that is."""
        wait_until(lambda: all(part in self.text for part in parts), f"{parts} in the terminal")
        return self.text

    def settings(self) -> str:
        """The terminal's modes, as a sum of what stty says to the shell."""
        self._asked += 1
        self.type(f"clear; echo settings {self._asked}: $(stty -g | cksum)")
        found = re.compile(rf"^settings {self._asked}: (\d+ \d+)$", re.MULTILINE)
        wait_until(lambda: found.search(self.text), "the terminal's modes")
        return found.search(self.text)[1]
