"""A room that sings: songs from the library go through the queue into the player."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from streamsep.errors import ArgumentError, StreamsepError
from streamsep.remote.library_search import LibrarySong
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.protocol import PARTY_COMMANDS, Client, Command, Request
from streamsep.remote.service import Message
from streamsep.remote.singers_queue import Entry, SingersQueue
from streamsep.remote.singers_score_news import told_score, told_singers
from streamsep.remote.song_library import SongLibrary

NOTICES = 5  # of the latest that everybody is told
SCORE_EVERY_S = 0.25
AHEAD = 3  # songs that are made ready before their turn


class Stems(Protocol):
    """Songs that were separated before their turn; see `PreparedSongs`."""

    def want(self, songs: list[Path]) -> None:
        """Have these separated, the first one first, and what else there is left alone."""

    def find(self, song: Path) -> dict[str, Path] | None:
        """Return the files of a song's stems, if they are ready."""

    @property
    def working(self) -> tuple[Path, float] | None:
        """The song that is being separated, and the share of it that is done."""


class Room:
    """Handles what a party asks for, and has one song after the other played.

    Parameters
    ----------
    player
        What songs are played by.
    words
        Called with a song's file: its lines, as they are told, or None.
    library, queue, stems
        Where songs come from, in which order, and which are separated already.
    say
        Told what only the host should know, such as where files lie.
    """

    def __init__(
        self,
        player: PlayerCommands,
        *,
        words: Callable[[Path], Message | None],
        library: SongLibrary,
        queue: SingersQueue,
        stems: Stems,
        say: Callable[[str], object],
    ) -> None:
        self.commands: Mapping[str, Command] = {**player.commands, **PARTY_COMMANDS}
        self._player, self._library, self._queue, self._stems = player, library, queue, stems
        self._words_of, self._say = words, say
        self._words: Message = {"type": "words", "lines": None}
        self._song: LibrarySong | None = None
        self._live = False  # separated while it plays
        self._result: Message | None = None  # of the song that was sung last
        self._told_score, self._scored_at = Message(), -math.inf
        self._notices: list[Message] = []
        self._notice_id = 0
        if queue.current is not None:
            queue.requeue()

    def _notice(self, line: str) -> None:
        """Tell everybody a line, in which nothing is that isn't everybody's."""
        self._notice_id += 1
        note = {"id": self._notice_id, "text": line}
        self._notices = [*self._notices[-NOTICES + 1 :], note]

    def handle(self, request: Request, client: Client) -> Message:
        """Do it; see `Handler`."""
        self._check(request.type, client)
        if request.type == "next":
            self._advance()
            return {}
        if request.type in PARTY_COMMANDS:
            action: Callable[..., Message] = getattr(self, f"_do_{request.type}")
            return action(client, **request.values)
        return self._player.handle(request, client)

    def _check(self, name: str, client: Client) -> None:
        """Raise ArgumentError if a client may not do something."""
        current = self._queue.current
        own = current is not None and current.owner == client.identity
        who = self.commands[name].who
        if client.role == "host" or who == "guest" or (who == "singer" and own):
            return
        raise ArgumentError(
            f"a guest can't {name}" + (" while somebody else's song plays" * (who == "singer")),
            expected="the host" + (", or whose song it is" * (who == "singer")),
            remedy="ask the host",
        )

    def _do_search(self, client: Client, query: str) -> Message:
        return {"songs": [song.told() for song in self._library.search(query)]}

    def _do_add(self, client: Client, song: int, singer: str) -> Message:
        found = self._library.song(song)
        if not self._library.is_within(found.path):
            raise ArgumentError(
                f"the file of {found.title!r} is gone",
                expected="a song that is in its folder",
                remedy="choose another one",
            )
        entry = Entry(0, found.id, found.title, found.artist, singer, client.identity)
        added = self._queue.add(entry, limited=client.role == "guest")
        return {"entry": added.id}

    def _do_remove(self, client: Client, entry: int) -> Message:
        if client.role == "guest" and self._queue.find(entry).owner != client.identity:
            raise ArgumentError(
                "that song is somebody else's",
                expected="one that you have put into the queue",
                remedy="ask the host",
            )
        self._queue.remove(entry)
        return {}

    def _do_move(self, client: Client, entry: int, before: int) -> Message:
        self._queue.move(entry, before)
        return {}

    def tick(self) -> None:
        """Begin the next song where none plays, and change over to stems that are ready."""
        if self._player.idle and (self._queue.waiting or self._queue.current is not None):
            self._advance()
        if self._song is not None and self._live and (found := self._stems.find(self._song.path)):
            self._live = False
            try:
                self._player.use_stems(found)
            except StreamsepError as error:  # over since, or another model's
                self._say(f"stems separated ahead aren't used: {error}")
        self._stems.want(self._wanted())

    def _wanted(self) -> list[Path]:
        songs = [] if self._song is None else [self._song.path]
        for entry in self._queue.waiting[:AHEAD]:
            try:
                songs.append(self._library.song(entry.song).path)
            except StreamsepError:  # gone from the library: told when its turn comes
                continue
        return list(dict.fromkeys(songs))

    def _advance(self) -> None:
        """Play the next song that can be played; where there is none, nothing."""
        self._keep_result()
        while (entry := self._queue.take()) is not None:
            try:
                self._begin(entry)
            except StreamsepError as error:
                self._notice(f"{entry.title} is passed over: it can't be played")
                self._say(f"{entry.title} is passed over: {error}")
            else:
                return
        self._song, self._live = None, False
        self._words = {"type": "words", "lines": None}
        if not self._player.idle:
            self._player.end_song()

    def _keep_result(self) -> None:
        """Keep what the song that ends was sung for, and have the next one begin at nothing."""
        snapshot, entry = self._player.restart_score(), self._queue.current
        if snapshot is None or entry is None:
            return
        singers = told_singers(snapshot)
        if any(singer["score"] is not None for singer in singers):
            self._result = {"title": entry.title, "singer": entry.singer, "singers": singers}

    def _begin(self, entry: Entry) -> None:
        song = self._library.song(entry.song)
        if not self._library.is_within(song.path):
            raise ArgumentError(
                "its file is gone",
                expected="a song that is in its folder",
                remedy="choose another one",
            )
        stems = self._stems.find(song.path)
        try:
            self._player.play(song.path, stems)
        except ArgumentError as error:  # of a model that tells others apart
            if stems is None:
                raise
            self._say(f"stems separated ahead aren't used: {error}")
            self._player.play(song.path, None)
        self._song, self._live = song, stems is None
        words = self._words_of(song.path)
        self._words = {"type": "words", "entry": entry.id, "lines": None} | (words or {})

    def news(self) -> Mapping[str, Message]:
        """Return what everybody is told."""
        progress, working = self._library.progress, self._stems.working
        ready = self._ready()
        return {
            **self._player.news(),
            "queue": {
                "type": "queue",
                "current": _shown(self._queue.current, not self._live),
                "waiting": [_shown(entry, entry.song in ready) for entry in self._queue.waiting],
            },
            "library": {
                "type": "library",
                "scanning": progress.running,
                "found": progress.found,
                "tagged": progress.tagged,
            },
            "preparing": {
                "type": "preparing",
                "share": None if working is None else round(working[1], 2),
            },
            "words": self._words,
            "score": self._score(),
            "notices": {"type": "notices", "notices": list(self._notices)},
        }

    def _score(self) -> Message:
        """Return how the score stands, anew a few times a second."""
        now = time.monotonic()
        if now - self._scored_at >= SCORE_EVERY_S:
            snapshot = None if self._song is None else self._player.score()
            told = {} if snapshot is None else told_score(snapshot, self._player.position_s)
            nothing: Message = {"type": "score", "singers": [], "trace": [], "result": self._result}
            self._scored_at, self._told_score = now, nothing | told
        return self._told_score

    def _ready(self) -> set[int]:
        ready = set()
        for entry in self._queue.waiting[:AHEAD]:
            try:
                if self._stems.find(self._library.song(entry.song).path):
                    ready.add(entry.song)
            except StreamsepError:
                continue
        return ready


def _shown(entry: Entry | None, ready: bool) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "id": entry.id,
        "song": entry.song,
        "title": entry.title,
        "artist": entry.artist,
        "singer": entry.singer,
        "owner": entry.owner,
        "ready": ready,
    }
