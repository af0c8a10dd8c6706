"""What happened while the music played, for screens, logs and recordings to tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One line for the user: when, in seconds of the session, and what."""

    seconds: float
    text: str
    gap_s: float = 0.0  # for how long sound was missing from there on


class EventLog:
    """The latest events; any thread but the audio thread adds, anyone looks.

    Attributes
    ----------
    clock
        Gives the session's seconds; the session sets it.
    """

    CAPACITY = 100

    def __init__(self) -> None:
        self.clock: Callable[[], float] = lambda: 0.0
        self._events: deque[Event] = deque(maxlen=self.CAPACITY)

    def add(self, text: str, *, since_s: float | None = None, gap_s: float = 0.0) -> None:
        """Note what happens now, or what lasted ``gap_s`` from a moment of `clock` on."""
        self._events.append(Event(self.clock() if since_s is None else since_s, text, gap_s))

    def latest(self) -> tuple[Event, ...]:
        """Return the events kept, oldest first."""
        return tuple(self._events.copy())
