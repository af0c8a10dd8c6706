"""Control of a run by other programs: the protocol alone, without a party around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from streamsep.errors import ArgumentError
from streamsep.live.player import LivePlayer
from streamsep.remote.access import Tokens
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.server import Where
from streamsep.remote.server_process import ServerProcess
from streamsep.remote.service import Service


def where_of(control: str) -> Where:
    """Return where a number, which is a port of this machine, or a socket's name means.

    Raises
    ------
    ArgumentError
        For a number that is no port.
    """
    if not control.isdecimal():
        return Where(socket=Path(control))
    if not 0 <= int(control) <= 65_535:
        raise ArgumentError(
            f"there is no port {control}",
            expected="0 to 65535, or the name of a socket",
            remedy="choose one of these",
            settings=("control",),
        )
    return Where(port=int(control))


class PlayerControl:
    """Lets programs of this machine command a player; a context manager.

    Parameters
    ----------
    player
        Started before this is entered.
    where
        Where it listens: on this machine alone.
    say
        Told what goes wrong, on any thread; the music goes on.

    Raises
    ------
    ArgumentError
        If the place can't be had, or a package is missing.
    """

    def __init__(self, player: LivePlayer, where: Where, say: Callable[[str], object]) -> None:
        self._where, self._tokens = where, Tokens.fresh()
        self._service = Service(PlayerCommands(player), say)
        self._server = ServerProcess(self._service, self._tokens, where, say=say)
        self._opened = ExitStack()

    def __enter__(self) -> PlayerControl:
        with ExitStack() as stack:
            stack.callback(self._service.close)
            self._service.start()
            stack.callback(self._server.close)
            self._server.start()
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    @property
    def address(self) -> str:
        """How programs reach it: an address and the token, or the socket."""
        if self._where.socket is not None:
            return str(self._where.socket)
        return f"ws://127.0.0.1:{self._server.port}/ws with the token {self._tokens.host}"
