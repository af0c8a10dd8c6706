"""The server in a process of its own: phones cost the music nothing but what they ask for."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from streamsep.errors import ArgumentError
from streamsep.remote.access import Tokens
from streamsep.remote.protocol import encode
from streamsep.remote.server import Where, load_websockets
from streamsep.remote.server_link import parse_request, reply_line
from streamsep.remote.service import Message, Service

AGAIN_S = 1.0  # until it is started again
WAITING = 2_000  # lines: a process that takes none of so many is stuck


class Say(Protocol):
    """Told a line, on any thread."""

    def __call__(self, line: str, /) -> object:
        """Take it."""


class ServerProcess:
    """Serves clients of a service until it is closed.

    A process that ends before that is told of and started again; the music knows nothing of it.

    Parameters
    ----------
    service
        What handles their requests; started.
    tokens
        What lets them in.
    where
        Where it listens.
    library
        The songs' file, for searches: a party's. None has the protocol alone, and no pages.
    say
        Told when it has ended.

    Raises
    ------
    ArgumentError
        If the place can't be had, or a package is missing.
    """

    def __init__(
        self,
        service: Service,
        tokens: Tokens,
        where: Where,
        *,
        library: Path | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self._service, self._tokens, self._where = service, tokens, where
        self._library, self._say = library, say
        self.port = where.port
        self._process: subprocess.Popen[str] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="streamsep-server", daemon=True)

    def start(self) -> None:
        """Listen; `port` is known then."""
        load_websockets()
        self._process = self._spawn()
        self._thread.start()

    def close(self) -> None:
        """Let all clients go."""
        self._closing.set()
        process = self._process
        if process is not None:
            with suppress(OSError):
                process.terminate()
        if self._thread.ident is not None:
            self._thread.join()
        if self._where.socket is not None:
            with suppress(OSError):
                self._where.socket.unlink()

    def _spawn(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamsep.remote.server_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        settings = {
            "tokens": asdict(self._tokens),
            "port": self.port,
            "lan": self._where.lan,
            "socket": None if self._where.socket is None else str(self._where.socket),
            "library": None if self._library is None else str(self._library),
        }
        told: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            _write(process, json.dumps(settings))
            told = json.loads(process.stdout.readline() if process.stdout else "{}")
        if "port" in told:
            self.port = told["port"] if self._where.port is not None else None
            return process
        process.kill()
        with suppress(OSError), process:  # closes its pipes
            pass
        refused = told.get("refused")
        if refused is None:
            refused = dict(
                what="the server can't be started",
                expected="a process of its own",
                remedy="the lines above say more",
            )
        raise ArgumentError(**(refused | {"settings": tuple(refused.get("settings", ()))}))

    def _keep(self) -> None:
        """Serve, and again where that ends by itself."""
        while True:
            process = self._process
            if process is not None:
                self._serve(process)
            if self._closing.is_set():
                return
            self._say("the server has ended: the music goes on, and it is started again")
            while not self._closing.wait(AGAIN_S):
                with suppress(ArgumentError, OSError):
                    self._process = self._spawn()
                    break
            if self._closing.is_set() and self._process is not None:
                self._process.terminate()

    def _serve(self, process: subprocess.Popen[str]) -> None:
        """Carry requests, replies and news until the process ends."""
        lines: queue.Queue[str | None] = queue.Queue(WAITING)
        writer = threading.Thread(target=_write_all, args=(process, lines), daemon=True)
        writer.start()
        end = self._service.listen(lambda message: _put(process, lines, encode({"news": message})))
        # Closing the pipe of one that has ended, with something in it, is an error.
        with suppress(OSError), process:
            with suppress(ValueError, OSError):
                for line in process.stdout or ():
                    self._take(line, partial(_put, process, lines))
            end()
            with suppress(queue.Full):
                lines.put(None, timeout=AGAIN_S)
            process.kill()
            writer.join()

    def _take(self, line: str, put: Say) -> None:
        number, request, client = parse_request(line)
        try:
            done = self._service.submit(request, client)
        except ArgumentError as error:
            done = Future[Message]()
            done.set_exception(error)
        done.add_done_callback(lambda done: put(reply_line(number, done)))


def _put(process: subprocess.Popen[str], lines: queue.Queue[str | None], line: str) -> None:
    """Have a line written, and never wait for it: a process that is stuck is ended."""
    try:
        lines.put_nowait(line)
    except queue.Full:
        process.kill()


def _write_all(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    while (line := lines.get()) is not None:
        try:
            _write(process, line)
        except (OSError, ValueError):  # it has ended
            return


def _write(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()
