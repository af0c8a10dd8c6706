"""Clients of a JACK server around a program under test: one plays to it, one records it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

RATE = 44_100
# Where a program listens, on two ports, and where it plays: ours, and one with PortAudio's streams.
STREAMSEP = ("streamsep:input_1", "streamsep:input_2", "streamsep:output_1")
PORTAUDIO = ("PortAudio:in_0", "PortAudio:in_1", "PortAudio:out_0")


class PatchBay:
    """A client that plays, and one that records what it plays and what comes back.

    Two: what one client sent to itself through another would be a period late.
    """

    def __init__(self, player: Any, recorder: Any) -> None:
        self._recorder = recorder
        self._out = player.outports.register("out")
        self._in = [recorder.inports.register(name) for name in ("came", "went")]
        self._sound = np.zeros(0, np.float32)
        self._heard = np.zeros((2, 0), np.float32)
        self._played = self._recorded = 0
        self._done = threading.Event()
        self.xruns = 0
        player.set_process_callback(self._play)
        recorder.set_process_callback(self._record)
        recorder.set_xrun_callback(self._count)

    def connect(self, ports: tuple[str, str, str] = STREAMSEP) -> None:
        """Patch it to the ports of the program."""
        *listens, plays = ports
        for pair in (*((self._out, port) for port in listens), (plays, self._in[1])):
            ours, theirs = pair if pair[0] is self._out else pair[::-1]
            # The server refuses what is there already, as after an attempt that came too soon.
            if theirs not in {port.name for port in self._recorder.get_all_connections(ours)}:
                self._recorder.connect(*pair)
        if not self._recorder.get_all_connections(self._in[0]):
            self._recorder.connect(self._out, self._in[0])

    @property
    def connected(self) -> bool:
        """Whether the program is still there: JACK throws out who holds it up for too long."""
        return len(self._recorder.get_all_connections(self._in[1])) > 0

    def play(self, sound: np.ndarray) -> np.ndarray:
        """Play (N,); return (2, N), how it went out and what came back, of one recording."""
        self._heard = np.zeros((2, len(sound)), np.float32)
        self._played = self._recorded = 0
        self._done.clear()
        self._sound = sound
        if not self._done.wait(30.0 + len(sound) / RATE):
            raise AssertionError("JACK stands still")
        self._sound = sound[:0]
        return self._heard

    def _count(self, delayed_us: float) -> None:
        self.xruns += 1

    def _play(self, frames: int) -> None:
        out = self._out.get_array()
        part = self._sound[self._played : self._played + frames]
        out[: len(part)], out[len(part) :] = part, 0.0
        self._played += len(part)

    def _record(self, frames: int) -> None:
        if not len(self._sound):
            return
        left = self._heard[:, self._recorded : self._recorded + frames]
        for port, row in zip(self._in, left, strict=True):
            row[:] = port.get_array()[: len(row)]
        self._recorded += frames
        if self._recorded >= self._heard.shape[-1]:
            self._done.set()


@contextmanager
def patch_bay(env: dict[str, str]) -> Iterator[PatchBay]:
    """Clients of a JACK server, as `PatchBay` has them."""
    os.environ.update({name: env[name] for name in env if name.startswith("JACK_")})
    import jack as jack_client

    player, recorder = (jack_client.Client(n, no_start_server=True) for n in ("player", "recorder"))
    bay = PatchBay(player, recorder)
    with player, recorder:
        yield bay
