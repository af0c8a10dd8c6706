"""A party, from its folders to its address: library, queue, separated songs, server and player."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from streamsep.app_folder import app_folder
from streamsep.live.player import LivePlayer
from streamsep.remote.access import load_tokens
from streamsep.remote.invitation import address_of
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.prepared_songs import PreparedSongs
from streamsep.remote.room import Room
from streamsep.remote.server import Where
from streamsep.remote.server_process import ServerProcess
from streamsep.remote.service import Service
from streamsep.remote.singers_queue import SingersQueue
from streamsep.remote.song_library import SongLibrary, check_folders
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

    Raises
    ------
    AudioFileError
        If a folder is missing, or none of them holds a song.
    """

    folders: tuple[Path, ...]
    where: Where = field(default_factory=lambda: Where(port=DEFAULT_PORT))
    state: Path | None = None
    cache: Path | None = None
    cache_gb: float = DEFAULT_CACHE_GB
    fresh_tokens: bool = False

    def __post_init__(self) -> None:
        """Refuse folders without songs, before anything is opened."""
        check_folders(self.folders)


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
        self._server = ServerProcess(
            self._service, self.tokens, config.where, library=own / "library.db", say=say
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

    def _address(self, token: str, page: str = "") -> str:
        return address_of(self._server.port, token, page, lan=self._where.lan)

    @property
    def join_address(self) -> str:
        """Where guests come in."""
        return self._address(self.tokens.guest)

    @property
    def host_address(self) -> str:
        """Where the host does."""
        return self._address(self.tokens.host)

    @property
    def screen_address(self) -> str:
        """The page for the wall."""
        return self._address(self.tokens.guest, "screen")


def _name_of(folders: Sequence[Path]) -> str:
    """Return a name for what belongs to these folders: their songs' numbers hold for them alone."""
    real = sorted(os.path.realpath(folder) for folder in folders)
    return hashlib.sha256(repr(real).encode("utf-8", "surrogateescape")).hexdigest()[:16]
