"""The server of the pages and of the protocol: an event loop on a thread of its own.

HTTP gives the few files of the pages, which hold nothing of anybody's; all else goes over a
WebSocket whose first message shows a token. `docs/security.md` says what is promised.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from streamsep.errors import ArgumentError, StreamsepError, first_line
from streamsep.priority import give_way
from streamsep.remote.access import Tokens, is_own_host, is_own_origin, public_identity
from streamsep.remote.connection import Connection, refusal
from streamsep.remote.protocol import MAX_MESSAGE, VERSION, Client, Text, encode, parse_object
from streamsep.remote.script_socket import ScriptSocket
from streamsep.remote.service import Clerk, Message

JOIN_WITHIN_S = 5.0
WRONG_TOKEN_S = 1.0  # for whoever tries one after the other
MAX_CLIENTS = 100
MAX_STRANGERS = 100  # that haven't shown a token yet: a room of phones comes back at once
TOKEN = Text(64)
SECRET = Text(64)
PAGES = {
    "/": "page/index.html",
    "/page.css": "page/page.css",
    "/page.js": "page/page.js",
    "/connection.js": "page/connection.js",
    "/icon.svg": "page/icon.svg",
    "/screen": "screen/index.html",
    "/screen.css": "screen/screen.css",
    "/screen.js": "screen/screen.js",
}
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Nothing from elsewhere, nothing inline: a title that were taken for markup could do nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a server listens.

    Attributes
    ----------
    port
        Of TCP, 0 for any that is free, None for none.
    lan
        Whether others than this machine reach it.
    socket
        A Unix socket for scripts, or None.
    """

    port: int | None = None
    lan: bool = False
    socket: Path | None = None


class RemoteServer:
    """Serves clients of a service until it is closed.

    Parameters
    ----------
    service
        What handles their requests.
    tokens
        What lets them in.
    where
        Where it listens.
    welcome
        Told each client that has joined, besides who it is.
    pages
        Whether there are pages, or the protocol alone.
    say
        Told when it has failed.

    Raises
    ------
    ArgumentError
        If the place can't be had, or a package is missing.
    """

    def __init__(
        self,
        service: Clerk,
        tokens: Tokens,
        where: Where,
        *,
        welcome: Callable[[], Message] = dict,
        pages: bool = True,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._service, self._tokens, self._where = service, tokens, where
        self._welcome, self._say = welcome, say
        self._files = _read_pages() if pages else {}
        self._clients = self._strangers = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._listening: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name="streamsep-server", daemon=True)
        self.port = where.port or 0

    def start(self) -> None:
        """Listen; `port` is known then."""
        load_websockets()
        self._thread.start()
        self.port = self._listening.result()

    def close(self) -> None:
        """Let all clients go."""
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(ending.set)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        give_way()
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the music goes on
            if self._listening.done():
                self._say(f"the remote has ended ({first_line(error)}): the music goes on")
            else:
                self._listening.set_exception(self._refused(error))

    def _refused(self, error: Exception) -> Exception:
        if isinstance(error, StreamsepError):
            return error
        return ArgumentError(
            f"port {self._where.port} can't be had ({first_line(error)})",
            expected="a port that nobody listens on",
            remedy="choose another one, or end what has it",
            settings=("port",),
        )

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        async with _maybe(self._web()) as web, _maybe(self._scripts()):
            port = web.sockets[0].getsockname()[1] if web is not None else 0
            self._listening.set_result(port)
            await self._ending.wait()

    def _web(self) -> Any:
        if self._where.port is None:
            return None
        from websockets.asyncio.server import serve

        return serve(
            self._talk,
            "0.0.0.0" if self._where.lan else "127.0.0.1",
            self._where.port,
            process_request=self._page,
            max_size=MAX_MESSAGE,
            max_queue=8,
            compression=None,  # takes time and memory, and saves little
            server_header=None,
            ping_interval=10,
            ping_timeout=20,
            close_timeout=1,
            logger=_quiet_logger(),
        )

    def _scripts(self) -> ScriptSocket | None:
        path = self._where.socket
        return None if path is None else ScriptSocket(self._service, path)

    def _page(self, connection: Any, request: Any) -> Any:
        """Answer what is no WebSocket; None lets one be opened."""
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if not is_own_host(host, lan=self._where.lan):
            return _response(421, b"this machine isn't called so: open it by its address\n")
        path = request.path.partition("?")[0]
        if path == "/ws":
            if not is_own_origin(origin, host):
                return _response(403, b"a page from elsewhere can't connect\n")
            if self._clients >= MAX_CLIENTS or self._strangers >= MAX_STRANGERS:
                return _response(503, b"too many are connected\n")
            return None
        found = self._files.get(path)
        if found is None:
            return _response(404, b"no such page\n")
        return _response(200, found[1], found[0])

    async def _talk(self, socket: Any) -> None:
        """Serve one WebSocket from its first message on."""
        self._strangers += 1
        try:
            joined = await self._join(socket)
        finally:
            self._strangers -= 1
        if joined is None:
            return
        client, wanted = joined
        self._clients += 1
        try:
            await socket.send(encode(self._greeting(client)))
            await self._talk_with(socket, client, wanted)
        finally:
            self._clients -= 1

    async def _join(self, socket: Any) -> tuple[Client, frozenset[str] | None] | None:
        try:
            message = parse_object(await asyncio.wait_for(socket.recv(), JOIN_WITHIN_S))
            if message.get("type") != "join":
                raise ArgumentError(
                    "nobody has joined", expected="a message of type join first", remedy="send it"
                )
            role = self._tokens.role(TOKEN.check("token", message.get("token")))
            secret = SECRET.check("client", message.get("client", "script"))
            wanted = _wanted(message.get("news"))
        except TimeoutError:
            await socket.close(1008, "nobody has joined")
            return None
        except StreamsepError as error:
            line = refusal(error.what, error.expected, error.remedy)
        else:
            if role is not None:
                return Client(role, public_identity(secret)), wanted
            line = refusal("the token is wrong", "that of the QR code", "scan it again")
            await asyncio.sleep(WRONG_TOKEN_S)
        await socket.send(line)
        await socket.close(1008, "not let in")
        return None

    def _greeting(self, client: Client) -> Message:
        who = {"role": client.role, "you": client.identity, "version": VERSION}
        return {"type": "welcome", **who, **self._welcome()}

    async def _talk_with(self, socket: Any, client: Client, wanted: frozenset[str] | None) -> None:
        connection = Connection(self._service, client, socket.send, wanted)
        news = asyncio.create_task(connection.send_news())
        try:
            async for text in socket:
                await connection.answer(text)
        finally:
            news.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await news


class _maybe:  # noqa: N801  # used as a function is
    """An asynchronous context manager, or nothing."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        return None if self._manager is None else await self._manager.__aenter__()

    async def __aexit__(self, *exception: object) -> None:
        if self._manager is not None:
            await self._manager.__aexit__(*exception)


def _wanted(news: Any) -> frozenset[str] | None:
    """Return the types of news that a client asks for, None for all."""
    if news is None:
        return None
    if isinstance(news, list) and all(isinstance(kind, str) for kind in news):
        return frozenset(news)
    raise ArgumentError(
        "news is no list of types", expected="names such as player", remedy="leave it out for all"
    )


def load_websockets() -> None:
    """Have the package there that the server needs.

    Raises
    ------
    ArgumentError
        If it is missing.
    """
    try:
        import websockets.asyncio.server  # noqa: F401
    except ImportError as error:
        raise ArgumentError(
            f"a remote needs websockets, and it can't be loaded ({error})",
            expected="the extra 'party' to be installed",
            remedy="pip install 'streamsep[party]'",
        ) from error


def _read_pages() -> Mapping[str, tuple[str, bytes]]:
    """Return the pages by their paths, each with its kind: no request names a file."""
    folder = files("streamsep.remote")
    return {
        path: (KINDS[Path(name).suffix], folder.joinpath(name).read_bytes())
        for path, name in PAGES.items()
    }


def _response(status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> Any:
    from http import HTTPStatus

    from websockets.datastructures import Headers
    from websockets.http11 import Response

    headers = Headers(HEADERS)
    headers["Content-Type"], headers["Content-Length"] = kind, str(len(body))
    headers["Connection"] = "close"
    return Response(status, HTTPStatus(status).phrase, headers, body)


def _quiet_logger() -> logging.Logger:
    """What strangers send is no news."""
    logger = logging.getLogger("streamsep.remote")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
