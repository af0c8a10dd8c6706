"""Between the server's process and the one that plays: requests one way, replies and news back.

JSON, one message a line, over the child's standard input and output.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from streamsep.errors import ArgumentError, StreamsepError
from streamsep.remote.protocol import Client, Command, Request, encode
from streamsep.remote.service import Listener, Message

Local = Callable[[Request], Message]


def request_line(number: int, request: Request, client: Client) -> str:
    """Return a request as a line."""
    who = {"role": client.role, "identity": client.identity}
    return encode({"n": number, "type": request.type, "values": request.values, **who})


def parse_request(line: str) -> tuple[int, Request, Client]:
    """Return what `request_line` said."""
    found = json.loads(line)
    request = Request(found["type"], found["values"])
    return found["n"], request, Client(found["role"], found["identity"])


def reply_line(number: int, done: Future[Message]) -> str:
    """Return what came of a request as a line."""
    error = done.exception()
    if error is None:
        return encode({"n": number, "reply": done.result()})
    if isinstance(error, StreamsepError):
        parts = {"what": error.what, "expected": error.expected, "remedy": error.remedy}
        return encode({"n": number, "error": parts})
    return encode({"n": number, "error": {"what": "it has failed", "expected": "", "remedy": ""}})


class ServiceLink:
    """A `Service` in another process, as the server sees it.

    Parameters
    ----------
    commands
        Which there are.
    lines, out
        Where replies and news come from, and where requests go.
    local
        What is answered here, by type: reading alone, on threads of its own.
    """

    def __init__(
        self,
        commands: Mapping[str, Command],
        lines: Iterable[str],
        out: TextIO,
        local: Mapping[str, Local],
    ) -> None:
        self.commands = commands
        self._lines, self._out, self._local = lines, out, local
        self._lock = threading.Lock()
        self._number = 0
        self._asked: dict[int, Future[Message]] = {}
        self._told: dict[str, Message] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._pool = ThreadPoolExecutor(2, "streamsep-search")

    def submit(self, request: Request, client: Client) -> Future[Message]:
        """Have a request handled; see `Service.submit`."""
        if (local := self._local.get(request.type)) is not None:
            return self._pool.submit(local, request)
        done: Future[Message] = Future()
        with self._lock:
            self._number += 1
            self._asked[self._number] = done
            print(request_line(self._number, request, client), file=self._out, flush=True)
        return done

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of all that is new; see `Service.listen`."""
        with self._lock:
            self._listeners += (listener,)
            for message in self._told.values():
                listener(message)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return end

    def run(self) -> None:
        """Take what comes until there is no more."""
        for line in self._lines:
            message = json.loads(line)
            if (news := message.get("news")) is not None:
                with self._lock:
                    self._told[news["type"]] = news
                    for listener in self._listeners:
                        listener(news)
                continue
            with self._lock:
                done = self._asked.pop(message["n"], None)
            if done is None or not done.set_running_or_notify_cancel():
                continue
            if (error := message.get("error")) is not None:
                done.set_exception(ArgumentError(**error))
            else:
                done.set_result(message["reply"])
