"""A party, from its folders to its address: library, queue, separated songs, server and player."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from streamsep.app_folder import app_folder
from streamsep.errors import ArgumentError
from streamsep.live.player import LivePlayer
from streamsep.remote.access import lan_address, load_tokens
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.prepared_songs import PreparedSongs
from streamsep.remote.room import Room
from streamsep.remote.server import RemoteServer, Where
from streamsep.remote.service import Message, Service
from streamsep.remote.singers_queue import SingersQueue
from streamsep.remote.song_library import SongLibrary
from streamsep.remote.song_words import words_of

DEFAULT_PORT = 8666
DEFAULT_CACHE_GB = 10.0
GB = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyConfig:
    """What a party is made of.

    Attributes
    ----------
    folders
        Where its songs are.
    where
        Where its server listens.
    state
        Folder for the queue, the list of songs and the tokens.  [default: the user's own]
    cache
        Folder for songs that were separated ahead.  [default: within ``state``]
    cache_gb
        How large that may become; 0 separates nothing ahead.
    fresh_tokens
        Whether all phones have to scan the code anew.
    """

    folders: tuple[Path, ...]
    where: Where = field(default_factory=lambda: Where(port=DEFAULT_PORT))
    state: Path | None = None
    cache: Path | None = None
    cache_gb: float = DEFAULT_CACHE_GB
    fresh_tokens: bool = False


class PartyHost:
    """Runs a party around a player; a context manager.

    Leaving it closes the server and keeps the queue; the player is its owner's.

    Parameters
    ----------
    config
        What it is made of.
    player
        Started, with no song.
    say
        Told what the host should know, on any thread.

    Raises
    ------
    StreamsepError
        If a folder holds no songs, the port can't be had, or a package is missing.
    """

    def __init__(
        self, config: PartyConfig, player: LivePlayer, say: Callable[[str], object]
    ) -> None:
        state = config.state or app_folder() / "party"
        own = state / _name_of(config.folders)
        self._where = config.where
        self.tokens = load_tokens(state / "tokens.json", fresh=config.fresh_tokens)
        self.library = SongLibrary(config.folders, own / "library.db", say)
        self.stems = PreparedSongs(
            config.cache or state / "songs", limit=int(config.cache_gb * GB), say=say
        )
        self._prepares = config.cache_gb > 0.0
        self.room = Room(
            PlayerCommands(player),
            words=partial(words_of, say=say),
            library=self.library,
            queue=SingersQueue(own / "queue.json", say),
            stems=self.stems,
            say=say,
        )
        self._service = Service(self.room, say)
        self._server = RemoteServer(
            self._service, self.tokens, config.where, welcome=self._welcome, say=say
        )
        self._opened = ExitStack()

    def __enter__(self) -> PartyHost:
        with ExitStack() as stack:
            stack.callback(self.library.close)
            self.library.start()
            if self._prepares:
                stack.callback(self.stems.close)
                self.stems.start()
            stack.callback(self._service.close)
            self._service.start()
            stack.callback(self._server.close)
            self._server.start()
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def address(self, token: str, page: str = "") -> str:
        """Return where a page is opened with a token."""
        name = (lan_address() if self._where.lan else None) or "127.0.0.1"
        return f"http://{name}:{self._server.port}/{page}#{token}"

    @property
    def join_address(self) -> str:
        """Where guests come in."""
        return self.address(self.tokens.guest)

    @property
    def host_address(self) -> str:
        """Where the host does."""
        return self.address(self.tokens.host)

    @property
    def screen_address(self) -> str:
        """The page for the wall."""
        return self.address(self.tokens.guest, "screen")

    def _welcome(self) -> Message:
        address = self.join_address
        return {"join": {"address": address, "code": code_rows(address)}}


def code_rows(text: str) -> list[str]:
    """Return the modules of a QR code, row by row, ``1`` for dark ones.

    Raises
    ------
    ArgumentError
        If the package that makes it is missing.
    """
    return ["".join(str(min(module, 1)) for module in row) for row in _code(text).matrix]


def code_text(text: str) -> str:
    """Return a QR code for a terminal, two rows of modules a line; see `code_rows`."""
    rows = code_rows(text)
    width, quiet = len(rows[0]) + 4, 2
    padded = ["0" * width] * quiet + [f"00{row}00" for row in rows] + ["0" * width] * quiet
    if len(padded) % 2:
        padded.append("0" * width)
    # Light on dark is what most terminals show; scanners want dark modules on light.
    cells = {"00": "█", "01": "▀", "10": "▄", "11": " "}
    return "\n".join(
        "".join(cells[a + b] for a, b in zip(upper, lower, strict=True))
        for upper, lower in zip(padded[::2], padded[1::2], strict=True)
    )


def _code(text: str) -> Any:
    try:
        import segno
    except ImportError as error:
        raise ArgumentError(
            f"a QR code needs segno, and it can't be loaded ({error})",
            expected="the extra 'party' to be installed",
            remedy="pip install 'streamsep[party]'",
        ) from error
    return segno.make(text, error="m", micro=False)


def _name_of(folders: Sequence[Path]) -> str:
    """Return a name for what belongs to these folders: their songs' numbers hold for them alone."""
    real = sorted(os.path.realpath(folder) for folder in folders)
    return hashlib.sha256(repr(real).encode("utf-8", "surrogateescape")).hexdigest()[:16]
