"""Long songs that are under way in parts: what is to be done next of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamsep.cluster.orders import MOST_DEATHS, Outcome, SongOrder, Split


@dataclass(slots=True)
class _LongSong:
    order: SongOrder
    split: Split
    left: set[int]  # parts that aren't done
    deaths: int


class LongSongs:
    """Keeps which parts of which songs are done, and gives the orders that follow.

    Parts of a model whose memory is bounded are done at the same time, by as many workers as are
    free; others in turn.
    """

    def __init__(self) -> None:
        self._songs: dict[str, _LongSong] = {}

    def knows(self, order: SongOrder) -> bool:
        """Say whether a song is under way in parts; not so if one of them has failed."""
        return order.song in self._songs

    def note_death(self, order: SongOrder) -> None:
        """Count a worker that ended while it had a part."""
        if self.knows(order):
            self._songs[order.song].deaths += 1

    def follow(self, order: SongOrder, outcome: Outcome) -> list[SongOrder]:
        """Return what is to be done after a share of the work, most urgent first."""
        if outcome.split is not None:
            split, deaths = outcome.split, order.deaths
            # A part that ends a worker isn't to blame for what others did; but what a song did
            # in earlier runs, any of its parts may have done.
            order = replace(order, split=split, deaths=deaths if deaths >= MOST_DEATHS else 0)
            self._songs[order.song] = _LongSong(order, split, set(range(split.count)), deaths)
            first = range(1 if split.in_turn else split.count)
            return [replace(order, number=number) for number in first]
        song = self._songs[order.song]
        song.left.discard(order.number)
        if song.left and not song.split.in_turn:
            return []
        number = order.number + 1 if song.left else song.split.count
        return [replace(song.order, number=number)]

    def end(self, order: SongOrder) -> int:
        """Take a song off, and return how many workers ended while they had it."""
        return self._songs.pop(order.song).deaths
