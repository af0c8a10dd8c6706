"""One client's connection, whatever carries it: lines in, replies and news out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from streamsep.errors import ArgumentError, StreamsepError
from streamsep.remote.access import RateLimit
from streamsep.remote.protocol import (
    Client,
    check_request,
    encode,
    error_message,
    number_of,
    parse_object,
)
from streamsep.remote.service import Clerk, Message

# Requests of one client: so many at once, then so many a second; a fader that is drawn sends ten.
REQUESTS_PER_S, BURST = 20.0, 40
ALIVE_EVERY_S, ALIVE = 5.0, encode({"type": "alive"})

Send = Callable[[str], Awaitable[object]]


class Connection:
    """Handles what one client sends, and sends it the news, the latest of each type.

    A client that reads slowly misses what was superseded meanwhile; one that sends too fast is
    read more slowly. Neither takes memory.

    Parameters
    ----------
    service
        What handles the requests.
    client
        Who it is.
    send
        Sends a line of text.
    wanted
        Types of news to send.  [default: all]
    """

    def __init__(
        self,
        service: Clerk,
        client: Client,
        send: Send,
        wanted: Collection[str] | None = None,
    ) -> None:
        self._service, self._client, self._send = service, client, send
        self._wanted = wanted
        self._limit = RateLimit(REQUESTS_PER_S, BURST)
        self._news: dict[str, Message] = {}
        self._waking = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def answer(self, text: str | bytes) -> None:
        """Handle one message and send what comes of it; waits where too many came."""
        await asyncio.sleep(self._limit.wait_s())
        number = None
        try:
            message = parse_object(text)
            number = number_of(message)
            request = check_request(message, self._service.commands)
            done = asyncio.wrap_future(self._service.submit(request, self._client))
            reply: Message = {"type": "reply", "id": number, **await done}
        except StreamsepError as error:
            reply = error_message(error, number)
        await self._send(encode(reply))

    async def send_news(self) -> None:
        """Send all that is new until this is cancelled."""
        end = self._service.listen(self._hear)
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._waking.wait(), ALIVE_EVERY_S)
                if not self._waking.is_set():  # a page can't see that a network is gone otherwise
                    await self._send(ALIVE)
                self._waking.clear()
                news, self._news = self._news, {}
                for message in news.values():
                    await self._send(encode(message))
        finally:
            end()

    def _hear(self, message: Message) -> None:
        """Take a message on any thread."""
        if self._wanted is not None and message["type"] not in self._wanted:
            return
        try:
            self._loop.call_soon_threadsafe(self._take, message)
        except RuntimeError:  # the loop has ended
            return

    def _take(self, message: Message) -> None:
        self._news[message["type"]] = message
        self._waking.set()


def refusal(what: str, expected: str, remedy: str) -> str:
    """Return the last line that somebody gets who isn't let in."""
    return encode(error_message(ArgumentError(what, expected=expected, remedy=remedy), None))
