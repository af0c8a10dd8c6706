"""Where training reads its tracks: a prepared folder, or shards of which each reader has one."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from export.data.audio import Folder
from export.data.manifest import Track
from export.data.shards import Shard, read_range, read_shard
from export.errors import DataError

BLOCK = 2**18  # bytes of a shard that are fetched at a time, where parts of it are drawn


class Make(Protocol):
    """What makes a sampler; it goes to other processes by pickle."""

    def __call__(self, folder: Folder, tracks: Sequence[Track], *, seed: int) -> Any:
        """Return a sampler of tracks in a folder."""


class Songs(Protocol):
    """Tracks to train on and tracks that are held out, and how items are drawn of them."""

    def to_train(self, make: Make, seed: int, item_samples: int, batch_size: int) -> Any:
        """Return a sampler of the tracks to train on.

        Parameters
        ----------
        make
            Makes one.
        item_samples, batch_size
            What a step of a process takes.
        """

    def whole(self, make: Make, seed: int) -> Any:
        """Return a sampler of all tracks to train on, to draw few items of."""

    def held_out(self, make: Make, seed: int) -> Any:
        """Return a sampler of the tracks held out."""


@dataclass(frozen=True, slots=True)
class PreparedSongs:
    """Songs of a prepared folder; which is whose is a matter of places in a step's batch."""

    folder: Path
    train: Sequence[Track]
    valid: Sequence[Track]

    def to_train(self, make: Make, seed: int, item_samples: int, batch_size: int) -> Any:
        """See `Songs`."""
        return make(self.folder, self.train, seed=seed)

    def whole(self, make: Make, seed: int) -> Any:
        """See `Songs`."""
        return make(self.folder, self.train, seed=seed)

    def held_out(self, make: Make, seed: int) -> Any:
        """See `Songs`."""
        return make(self.folder, self.valid, seed=seed)


@dataclass(frozen=True, slots=True)
class Readers:
    """Those who read shards: so many processes in each rank, and which rank this is."""

    rank: int = 0
    ranks: int = 1
    workers: int = 1

    @property
    def count(self) -> int:
        """Readers of all ranks."""
        return self.ranks * self.workers

    def at(self, step: int) -> tuple[int, int]:
        """Return which of them draws a step of this rank's, and how many it has drawn before."""
        own, worker = divmod(step, self.workers)
        return self.rank * self.workers + worker, own


@dataclass(frozen=True, slots=True)
class ShardedSongs:
    """Songs in shards.

    Attributes
    ----------
    cache
        As of `export.data.shards.read_shard`.
    """

    url: str
    train: Sequence[Shard]
    valid: Sequence[Shard]
    readers: Readers
    cache: Path | None = None

    def to_train(self, make: Make, seed: int, item_samples: int, batch_size: int) -> Any:
        """See `Songs`; a reader stays with a shard until it has drawn about as much as there is.

        Raises
        ------
        DataError
            If there are more readers than shards, or a shard can't be mixed by itself.
        """
        if len(self.train) < self.readers.count:
            raise DataError(
                f"{len(self.train)} shards to train on for {self.readers.count} readers",
                expected="one at least for each process that draws batches",
                remedy="write smaller shards, or draw with fewer processes",
            )
        for shard in self.train:
            try:
                make(MemoryFolder({}), shard.tracks, seed=seed)
            except DataError as error:
                raise DataError(
                    f"{shard.name}: {error.what}",
                    expected="some of each kind of track in each shard",
                    remedy="write larger, and so fewer, shards",
                ) from error
        samples = sum(track.samples for shard in self.train for track in shard.tracks)
        steps = round(samples / len(self.train) / (item_samples * batch_size))
        return ShardSampler(self, make, seed, max(steps, 1))

    def whole(self, make: Make, seed: int) -> Any:
        """See `Songs`; only what is drawn of them is fetched, and kept."""
        return self._drawn_anywhere(self.train, make, seed)

    def held_out(self, make: Make, seed: int) -> Any:
        """See `Songs`; only what is drawn of them is fetched, and kept."""
        return self._drawn_anywhere(self.valid, make, seed)

    def _drawn_anywhere(self, shards: Sequence[Shard], make: Make, seed: int) -> Any:
        tracks = [prefixed(shard, track) for shard in shards for track in shard.tracks]
        return make(RangeFolder(self.url, {s.name: s for s in shards}), tracks, seed=seed)


def prefixed(shard: Shard, track: Track) -> Track:
    """Return a track whose files are called by their shard, too: others have the same numbers."""
    files = {stem: f"{shard.name}/{member}" for stem, member in track.files.items()}
    return replace(track, files=files)


def shard_at(reader: int, turn: int, *, readers: int, shards: int, seed: int) -> int:
    """Return which shard a reader has in its turn.

    In an epoch each shard is at most one reader's, once; in each epoch their order is another.
    Shards that don't go round among the readers wait for a later epoch.
    """
    epoch, place = divmod(turn, shards // readers)
    order = np.random.default_rng([seed, epoch]).permutation(shards)
    return int(order[place * readers + reader])


class _Held(threading.local):
    """What a thread holds: the shard it draws from, and the next one, as it comes."""

    def __init__(self) -> None:
        self.turns: dict[tuple[int, int], Future[Any]] = {}
        self.fetcher = ThreadPoolExecutor(1, "streamsep-shards")


class ShardSampler:
    """Draws items of whichever shard a step is drawn from: a function of step and place alone.

    Parameters
    ----------
    steps
        Of a reader, from one shard.
    """

    def __init__(self, songs: ShardedSongs, make: Make, seed: int, steps: int) -> None:
        self._songs, self._make, self._seed, self._steps = songs, make, seed, steps
        self._held = _Held()

    def __reduce__(self) -> tuple[object, ...]:
        """Have another process draw the same; it holds shards of its own."""
        return ShardSampler, (self._songs, self._make, self._seed, self._steps)

    def sample(self, step: int, position: int, batch_size: int | None = None) -> Any:
        """Return what the shard's own sampler draws."""
        reader, own = self._songs.readers.at(step)
        turn, since = divmod(own, self._steps)
        sampler = self._sampler(reader, turn)
        if batch_size is None:
            return sampler.sample(since, position)
        # By places among this rank's own: no other draws from this shard.
        ranks = self._songs.readers.ranks
        return sampler.sample(since, position // ranks, batch_size // ranks)

    def _sampler(self, reader: int, turn: int) -> Any:
        held = self._held
        wanted = [(reader, turn), (reader, turn + 1)]
        held.turns = {
            at: held.turns.get(at) or held.fetcher.submit(self._fetch, *at) for at in wanted
        }
        return held.turns[wanted[0]].result()

    def _fetch(self, reader: int, turn: int) -> Any:
        songs = self._songs
        number = shard_at(
            reader, turn, readers=songs.readers.count, shards=len(songs.train), seed=self._seed
        )
        shard = songs.train[number]
        seed = int(np.random.default_rng([self._seed, turn, reader]).integers(2**31))
        folder = MemoryFolder(read_shard(songs.url, shard, songs.cache))
        return self._make(folder, shard.tracks, seed=seed)


@dataclass(frozen=True, slots=True)
class MemoryFolder:
    """Files in memory, opened as those of a folder are named."""

    files: dict[str, bytes]

    def __truediv__(self, name: str) -> io.BytesIO:
        """Open a file."""
        return io.BytesIO(self.files[name])


@dataclass(frozen=True, slots=True)
class RangeFolder:
    """Members of shards, ``SHARD/MEMBER``, of which what is read is fetched, and kept."""

    url: str
    shards: dict[str, Shard]
    blocks: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def __truediv__(self, name: str) -> io.BufferedReader:
        """Open a member."""
        shard, member = name.split("/")
        place = self.shards[shard].members[member]
        return io.BufferedReader(_RangeFile(self, self.shards[shard], *place))

    def block(self, shard: Shard, number: int) -> bytes:
        """Return one block of a shard; its last one is shorter."""
        at = shard.name, number
        if at not in self.blocks:
            end = max(start + size for start, size in shard.members.values())
            first = number * BLOCK
            self.blocks[at] = read_range(self.url, shard, first, min(first + BLOCK, end))
        return self.blocks[at]


class _RangeFile(io.RawIOBase):
    def __init__(self, folder: RangeFolder, shard: Shard, start: int, size: int) -> None:
        self._folder, self._shard, self._start, self._size = folder, shard, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, within = divmod(self._start + self._at, BLOCK)
        left = min(len(buffer), max(self._size - self._at, 0), BLOCK - within)
        if left:
            part = self._folder.block(self._shard, number)[within : within + left]
            left = len(part)
            memoryview(buffer).cast("B")[:left] = part
        self._at += left
        return left
