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
    gap_s: float = 0.0  # of silence that began there, where sound was missing


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

    def add(self, text: str, *, gap_s: float = 0.0) -> None:
        """Note what happens now, or what began ``gap_s`` ago and is over now."""
        self._events.append(Event(max(self.clock() - gap_s, 0.0), text, gap_s))

    def latest(self) -> tuple[Event, ...]:
        """Return the events kept, oldest first."""
        return tuple(self._events.copy())
