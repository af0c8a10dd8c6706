"""A Unix socket for scripts: the same messages, one JSON object a line."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from streamsep.errors import ArgumentError
from streamsep.remote.connection import Connection, refusal
from streamsep.remote.protocol import MAX_MESSAGE, Client
from streamsep.remote.service import Clerk

MAX_SCRIPTS = 20
HOST = Client("host", "script")  # whoever may open the socket is its owner


class ScriptSocket:
    """Serves scripts on a socket that only its owner can open; an asynchronous context manager.

    Parameters
    ----------
    service
        What handles their requests.
    path
        Of the socket; one that nobody listens on any more is replaced.

    Raises
    ------
    ArgumentError
        If it can't be had.
    """

    def __init__(self, service: Clerk, path: Path) -> None:
        self._service, self._path = service, path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ScriptSocket:
        _remove_left(self._path)
        try:
            listener = _bound(self._path)
            self._server = await asyncio.start_unix_server(
                self._accept, sock=listener, limit=MAX_MESSAGE
            )
        except (OSError, ValueError, AttributeError) as error:  # the last on Windows
            raise ArgumentError(
                f"the socket {self._path} can't be made ({error})",
                expected="a short name that is free, in a folder that is there",
                remedy="choose another one",
                settings=("control",),
            ) from error
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            with suppress(OSError):
                self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MAX_SCRIPTS:
            writer.write(refusal("too many are connected", "a free place", "end one").encode())
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.CancelledError):  # it has gone, or we go
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(line: str) -> None:
            writer.write(line.encode() + b"\n")
            await writer.drain()

        connection = Connection(self._service, HOST, send)
        news = asyncio.create_task(connection.send_news())
        try:
            while line := await reader.readline():
                if line.strip():
                    await connection.answer(line)
        except ValueError:  # longer than any message
            await send(refusal("the line is too long", f"at most {MAX_MESSAGE} bytes", "send less"))
        finally:
            news.cancel()


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        os.chmod(path, 0o600)  # nobody can connect before it listens
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_left(path: Path) -> None:
    """Remove a socket that was left by a run that was killed, and nothing else."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            with suppress(OSError):
                path.unlink()
