"""The queue of songs: fair between singers, and kept on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import whole_file
from streamsep.errors import ArgumentError, OutputError, StreamsepError, first_line
from streamsep.remote.protocol import clean_text

MAX_ENTRIES = 200
MAX_OF_ONE = 10  # that one guest may have waiting
# What JSON raises that isn't what was kept: numbers without end and lists within lists too.
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError),
    *(AttributeError, OverflowError, RecursionError),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One song in the queue.

    Attributes
    ----------
    id
        Of the entry, never given twice.
    song
        Its id in the library.
    singer
        Who sings it.
    owner
        Public identity of the client that put it there.
    joined
        The round that was sung when it came.
    round
        The one that it is sung in.
    """

    id: int
    song: int
    title: str
    artist: str
    singer: str
    owner: str
    joined: int = 0
    round: int = 0


class SingersQueue:
    """Songs in the order in which they are sung: in each round every singer has one.

    A singer's songs keep their order. Who comes new sings in the round that goes on, after those
    that wait for it already; so nobody's turn comes later for what another one adds for a second
    time. What the host moves stays where it was put.

    Parameters
    ----------
    path
        File that it is kept in, or None.
    say
        Told when it can't be kept.
    """

    def __init__(
        self, path: Path | None = None, say: Callable[[str], object] = lambda line: None
    ) -> None:
        self._path, self._say = path, say
        self._entries: list[Entry] = []
        self._round, self._sung = 0, dict[str, int]()  # the last round of each singer
        self._next_id = 1
        self.current: Entry | None = None
        self._failing = False
        if path is not None and os.path.exists(path):
            self._load(path)

    @property
    def waiting(self) -> list[Entry]:
        """Those to come, in their order."""
        return list(self._entries)

    def _insert(self, entry: Entry) -> Entry:
        """Put an entry where its turn is: after its singer's others, and a round later."""
        singer = entry.singer.casefold()
        rounds = [other.round for other in self._entries if other.singer.casefold() == singer]
        last = max(rounds, default=self._sung.get(singer, -1))
        entry = replace(entry, round=max(entry.joined, last + 1))
        turn = entry.round, entry.id
        before = [n for n, other in enumerate(self._entries) if (other.round, other.id) < turn]
        self._entries.insert(before[-1] + 1 if before else 0, entry)
        return entry

    def add(self, entry: Entry, *, limited: bool) -> Entry:
        """Put a song into the queue and return it with its id.

        Raises
        ------
        ArgumentError
            If the queue is full, or, where ``limited``, its owner has enough in it.
        """
        own = sum(other.owner == entry.owner for other in self._entries)
        if len(self._entries) >= MAX_ENTRIES:
            raise ArgumentError(
                f"{MAX_ENTRIES} songs wait already",
                expected="room in the queue",
                remedy="wait for the next song",
            )
        if limited and own >= MAX_OF_ONE:
            raise ArgumentError(
                f"{own} songs of yours wait already",
                expected=f"at most {MAX_OF_ONE}",
                remedy="sing one first, or remove one",
            )
        entry = self._insert(replace(entry, id=self._next_id, joined=self._round))
        self._next_id += 1
        self._save()
        return entry

    def find(self, entry_id: int) -> Entry:
        """Return an entry that waits.

        Raises
        ------
        ArgumentError
            If there is none of this id.
        """
        for entry in self._entries:
            if entry.id == entry_id:
                return entry
        raise ArgumentError(
            f"no song waits as number {entry_id}",
            expected="one of the queue",
            remedy="it may have been sung or removed meanwhile",
        )

    def remove(self, entry_id: int) -> Entry:
        """Take an entry out; its singer's later ones move up. See `find`."""
        removed = self.find(entry_id)
        singer, index = removed.singer.casefold(), self._entries.index(removed)
        later = [other for other in self._entries[index:] if other.singer.casefold() == singer]
        self._entries = [other for other in self._entries if other not in later]
        for other in later[1:]:
            self._insert(other)
        self._save()
        return removed

    def move(self, entry_id: int, before: int) -> None:
        """Put an entry before another one, or, for 0, at the end; see `find`."""
        moved = self.find(entry_id)
        if before == entry_id:
            return
        ahead_of = self.find(before) if before else None
        self._entries.remove(moved)
        place = len(self._entries) if ahead_of is None else self._entries.index(ahead_of)
        self._entries.insert(place, moved)
        self._save()

    def take(self) -> Entry | None:
        """Make the next one the current one and return it; None where nobody waits."""
        self.current = self._entries.pop(0) if self._entries else None
        if self.current is not None:
            self._round = max(self._round, self.current.round)
            self._sung[self.current.singer.casefold()] = self.current.round
            # Of earlier rounds nobody need know any more.
            self._sung = {name: turn for name, turn in self._sung.items() if turn >= self._round}
        self._save()
        return self.current

    def requeue(self) -> None:
        """Have the current one wait again, as the next."""
        if self.current is not None:
            self._entries.insert(0, self.current)
            self.current = None
            self._save()

    def _load(self, path: Path) -> None:
        try:
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self._entries = [_checked(entry) for entry in kept["entries"]]
            self._round = int(kept["round"])
            self._sung = {str(k): int(v) for k, v in kept["sung"].items()}
            # What was being sung when the program ended is sung again, at once.
            if kept["current"] is not None:
                self._entries.insert(0, _checked(kept["current"]))
            ids = {entry.id for entry in self._entries}
            if len(ids) != len(self._entries):
                raise ValueError("two entries of one number")
            self._next_id = max(int(kept["next_id"]), *(number + 1 for number in ids), 1)
        except UNREADABLE as error:
            self._entries, self._round, self._sung, self._next_id = [], 0, {}, 1
            aside = path.with_suffix(".broken")
            with suppress(OSError):
                os.replace(path, aside)
            why = first_line(error)
            self._say(f"the queue of {path} can't be read ({why}): begun anew, kept as {aside}")

    def _save(self) -> None:
        if self._path is None:
            return
        kept = {
            "entries": [asdict(entry) for entry in self._entries],
            "current": None if self.current is None else asdict(self.current),
            "round": self._round,
            "sung": self._sung,
            "next_id": self._next_id,
        }
        try:
            make_folder(self._path.parent)
            with whole_file(self._path) as part:
                part.write_text(json.dumps(kept), encoding="utf-8")
            self._failing = False
        except (OSError, StreamsepError) as error:
            if not self._failing:  # once: the disk stays full for a while
                why = error.what if isinstance(error, OutputError) else str(error)
                self._say(f"the queue isn't kept on disk ({why}): it goes on without")
            self._failing = True


def _checked(kept: dict[str, Any]) -> Entry:
    """Return an entry of a file, whose fields are what they are called.

    Raises
    ------
    TypeError
        If one isn't.
    """
    for field in fields(Entry):
        if field.name in kept and type(kept[field.name]).__name__ != field.type:
            raise TypeError(f"{field.name} is no {field.type}")
    texts = {name: clean_text(text) for name, text in kept.items() if isinstance(text, str)}
    return Entry(**kept | texts)
