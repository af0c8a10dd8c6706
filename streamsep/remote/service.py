"""The thread between clients and the player: requests one after another, news to who listens.

The audio path knows nothing of it. What a request raises is its sender's answer; what else goes
wrong is said, and the thread goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from streamsep.errors import ArgumentError, StreamsepError, as_streamsep_error
from streamsep.priority import give_way
from streamsep.remote.protocol import Client, Command, Request

TICK_S = 0.1
WAITING = 200  # requests; whoever sends more waits
Message = dict[str, Any]
Listener = Callable[[Message], object]


class Handler(Protocol):
    """What a service does; all of it is called on the service's thread."""

    commands: Mapping[str, Command]

    def handle(self, request: Request, client: Client) -> Message:
        """Do what is asked for and return what the sender is told, or raise StreamsepError."""

    def tick(self) -> None:
        """See to what has to be done without being asked."""

    def news(self) -> Mapping[str, Message]:
        """Return the present messages for everybody, by type."""


class Clerk(Protocol):
    """What a server needs of a service, in this process or another."""

    commands: Mapping[str, Command]

    def submit(self, request: Request, client: Client) -> Future[Message]:
        """Have a request handled; its result is the reply."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of all that is new; what is returned ends it."""


class Service:
    """Runs a handler on a thread of its own, ten times a second and for each request.

    Parameters
    ----------
    handler
        What is done.
    say
        Told of what went wrong without a request.

    Attributes
    ----------
    commands
        Those of the handler.
    """

    def __init__(self, handler: Handler, say: Callable[[str], object]) -> None:
        self.commands = handler.commands
        self._handler, self._say = handler, say
        self._requests: queue.Queue[tuple[Request, Client, Future[Message]]] = queue.Queue(WAITING)
        self._listeners: tuple[Listener, ...] = ()
        self._told: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamsep-remote", daemon=True)

    def submit(self, request: Request, client: Client) -> Future[Message]:
        """Have a request handled; its result is the reply.

        Raises
        ------
        ArgumentError
            If so many wait already that this one can't.
        """
        done: Future[Message] = Future()
        try:
            self._requests.put_nowait((request, client, done))
        except queue.Full:
            raise ArgumentError(
                "too many requests wait",
                expected=f"at most {WAITING}",
                remedy="try again in a second",
            ) from None
        return done

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of all that is new, from the present state on.

        Parameters
        ----------
        listener
            Called on any thread; it may not wait.

        Returns
        -------
        Callable
            Ends it.
        """
        with self._lock:
            self._listeners += (listener,)
            for message in self._told.values():
                listener(message)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return end

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after the request that is being handled."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        give_way()
        due = time.monotonic()
        while not self._ending.is_set():
            try:
                waiting = self._requests.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                due = time.monotonic() + TICK_S
                self._guarded(self._handler.tick)
            else:
                self._answer(*waiting)
            self._guarded(self._tell)

    def _answer(self, request: Request, client: Client, done: Future[Message]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(self._handler.handle(request, client))
        except StreamsepError as error:
            done.set_exception(error)
        except Exception as error:  # a request never ends the service
            self._say(str(as_streamsep_error(error, f"the request {request.type}")))
            done.set_exception(_failed(request))  # details are the host's

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # as above
            self._say(str(as_streamsep_error(error, "the remote")))

    def _tell(self) -> None:
        with self._lock:
            for name, message in self._handler.news().items():
                if self._told.get(name) != message:
                    self._told[name] = message
                    for listener in self._listeners:
                        listener(message)


def _failed(request: Request) -> ArgumentError:
    return ArgumentError(
        f"{request.type} has failed",
        expected="no such error",
        remedy="see the lines that the program prints",
    )
