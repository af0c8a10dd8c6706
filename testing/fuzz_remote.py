"""What strangers send to a party, as files: lines of the protocol, and bytes of a connection.

The room, the library, the queue and the server are real ones; a player without sound stands at the
seam that a remote knows it by.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import NoReturn

from streamsep.errors import StreamsepError
from streamsep.remote import server as remote_server
from streamsep.remote.access import Tokens
from streamsep.remote.connection import BURST, Connection
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.protocol import Client, Request
from streamsep.remote.room import Room
from streamsep.remote.service import Listener, Message
from streamsep.remote.singers_queue import SingersQueue
from streamsep.remote.song_library import SongLibrary
from testing.silent_player import NoStems, SilentPlayer

TOKENS = Tokens("guestguest", "hosthosthosthost")
PEOPLE = (Client("host", "host"), Client("guest", "ann"))
SONGS = ("One", "Two", "Drei Ü")
ANSWERED_S = 30.0  # by the clock: a connection that is never closed is a fault


def send_messages(path: Path) -> None:
    """Lines of the protocol, sent by a host and by a guest; every answer is a line of JSON."""
    lines = path.read_bytes().split(b"\n")[:BURST]  # more are only read more slowly
    clerk = _Clerk(_room())
    for client in PEOPLE:
        asyncio.run(_send(clerk, client, lines))
        for message in clerk.handler.news().values():
            _check_answer(remote_server.encode(message))


async def _send(clerk: _Clerk, client: Client, lines: list[bytes]) -> None:
    async def heard(line: str) -> None:
        _check_answer(line)

    connection = Connection(clerk, client, heard)
    for line in lines:
        await connection.answer(line)
        clerk.handler.tick()


def _check_answer(line: str) -> None:
    answer = json.loads(line.encode(), parse_constant=_no_json)
    assert isinstance(answer, dict)
    assert "\n" not in line


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


class _Clerk:
    """Has a room answer at once, on whatever thread asks."""

    def __init__(self, handler: Room) -> None:
        self.handler, self.commands = handler, handler.commands

    def submit(self, request: Request, client: Client) -> Future[Message]:
        done: Future[Message] = Future()
        try:
            done.set_result(self.handler.handle(request, client))
        except StreamsepError as error:
            done.set_exception(error)
        return done

    def listen(self, listener: Listener) -> Callable[[], None]:
        return lambda: None


def _room() -> Room:
    return Room(
        PlayerCommands(SilentPlayer()),  # type: ignore[no-untyped-call,arg-type]
        words=lambda song: None,
        library=_library(),
        queue=SingersQueue(),
        stems=NoStems(),  # type: ignore[no-untyped-call]
        say=lambda line: None,
    )


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return what goes away when the process ends."""
    return tempfile.TemporaryDirectory(prefix="fuzz-party-")


@cache
def _library() -> SongLibrary:
    music = Path(_folder().name) / "music"
    music.mkdir()
    for name in SONGS:
        (music / f"{name}.mp3").touch()
    library = SongLibrary([music], Path(_folder().name) / "library.db")
    library.start()
    assert library.wait(ANSWERED_S)
    return library


def connect(path: Path) -> None:
    """Bytes that a connection to the server begins with: HTTP, and frames where it opens one.

    The server answers or hangs up, and nothing goes wrong in it.
    """
    port, faults = _server()
    faults.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWERED_S) as stranger:
        try:
            stranger.sendall(path.read_bytes())
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65_536):
                pass
        except (ConnectionError, BrokenPipeError):  # it hangs up on what is too long
            pass
    assert not faults, faults[0]


@cache
def _server() -> tuple[int, list[str]]:
    """Return the port of a server for all inputs, and what goes wrong in it."""
    faults: list[str] = []
    logging.getLogger("streamsep.remote").addHandler(_Faults(faults))
    remote_server.WRONG_TOKEN_S = 0.0
    server = remote_server.RemoteServer(
        _Clerk(_room()), TOKENS, remote_server.Where(port=0), say=faults.append
    )
    server.start()
    return server.port, faults


class _Faults(logging.Handler):
    """Keeps the errors that are no answer to a stranger's bytes."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        error, trace = record.exc_info[1:] if record.exc_info else (None, None)
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        # What websockets raises, on purpose or not, it takes itself and hangs up.
        where = Path(trace.tb_frame.f_code.co_filename).parts if trace is not None else ()
        if not isinstance(error, EOFError | OSError) and "websockets" not in where:
            self._faults.append(f"{record.getMessage()}: {error!r}")
