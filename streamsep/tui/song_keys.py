"""Keys that move within the songs of a run, and from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from streamsep.errors import ArgumentError
from streamsep.events import EventLog
from streamsep.live.song_controls import SongControls
from streamsep.tui.keys import Binding

SEEK_S = 10.0


class SongKeys:
    """What keys do to the songs that play.

    Parameters
    ----------
    songs
        Plays them.
    events
        Where is said what couldn't be done.
    """

    def __init__(self, songs: SongControls, events: EventLog) -> None:
        self._songs, self._events = songs, events
        self._loop_from_s: float | None = None

    def bindings(self) -> list[Binding]:
        """Return the keys; those between songs only where there are several."""
        songs = self._songs
        bindings: list[tuple[str, str, dict[str, Callable[[], None]]]] = [
            ("p", "pause", {"p": self._pause}),
            ("[ ]", f"{SEEK_S:.0f} s", {"[": partial(self._seek, -1), "]": partial(self._seek, 1)}),
            ("r", "restart", {"r": songs.restart}),
            ("l", "loop from, to, off", {"l": self._loop}),
        ]
        if songs.several_songs:
            bindings.append(("< >", "songs", {"<": songs.previous, ">": songs.next}))
        return [
            Binding(label, what, {key: partial(self._do, action) for key, action in keys.items()})
            for label, what, keys in bindings
        ]

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        except ArgumentError as error:
            self._events.add(str(error))

    def _pause(self) -> None:
        if self._songs.paused:
            self._songs.resume()
        else:
            self._songs.pause()

    def _seek(self, steps: int) -> None:
        self._songs.seek(self._songs.position_s + steps * SEEK_S)

    def _loop(self) -> None:
        """Begin a part here, end it here and repeat it, or repeat nothing any more."""
        if self._songs.looping:
            self._songs.loop(None)
            self._events.add("nothing is repeated any more")
        elif self._loop_from_s is None:
            self._loop_from_s = self._songs.position_s
            self._events.add(f"a loop begins at {self._loop_from_s:.1f} s; the key ends it")
        else:
            start_s, self._loop_from_s = self._loop_from_s, None
            end_s = self._songs.position_s
            self._songs.loop(start_s, end_s)
            self._events.add(f"{start_s:.1f} to {end_s:.1f} s are repeated")
