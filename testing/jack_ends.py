"""What stands at both ends of a program on JACK, each a process of its own that may be killed.

python -m testing.jack_ends play RAW      # mono float32, again and again, to its inputs
python -m testing.jack_ends record RAW    # what it plays, its first output
"""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import jack
import numpy as np

INPUTS, OUTPUT = "^streamsep:(input|microphone)_", "^streamsep:output_1$"
CONNECT_S = 0.05


class Player:
    """Plays a file without end, to whatever the program listens to."""

    def __init__(self, path: Path) -> None:
        self._sound, self._position = np.fromfile(path, np.float32), 0
        self.client = jack.Client("player", no_start_server=True)
        self._port = self.client.outports.register("out")
        self.client.set_process_callback(self._process)

    def _process(self, frames: int) -> None:
        # By its clock, so that a block that was missed is missing, and nothing is shifted.
        at = np.arange(self._position, self._position + frames) % len(self._sound)
        self._port.get_array()[:] = self._sound[at]
        self._position += frames

    def connect(self) -> None:
        connected = {port.name for port in self.client.get_all_connections(self._port)}
        for port in self.client.get_ports(INPUTS):
            if port.name not in connected:
                self.client.connect(self._port, port)

    def work(self) -> None:
        """Nothing is left to do beside the callback."""


class Recorder:
    """Writes what the program plays to a file, and silence while it plays nothing."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._blocks: deque[bytes] = deque()
        self.client = jack.Client("recorder", no_start_server=True)
        self._port = self.client.inports.register("in")
        self.client.set_process_callback(self._process)

    def _process(self, frames: int) -> None:
        self._blocks.append(self._port.get_array().tobytes())

    def connect(self) -> None:
        if not self.client.get_all_connections(self._port):
            for port in self.client.get_ports(OUTPUT):
                self.client.connect(port, self._port)

    def work(self) -> None:
        while self._blocks:
            self._file.write(self._blocks.popleft())


def main() -> None:
    kind, path = sys.argv[1:]
    end = {"play": Player, "record": Recorder}[kind](Path(path))
    # A server that has just lost a client and is ended itself would die of SIGPIPE, and keep its
    # place among the eight that JACK knows.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    with end.client:
        while True:
            with suppress(jack.JackError):  # a port that has just gone
                end.connect()
            end.work()
            time.sleep(CONNECT_S)


if __name__ == "__main__":
    main()
