"""What happened while the music played, for screens, logs and recordings to tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamsep.errors import printable

# Besides what happens while the music plays: what the user should mind of how it was set up, and
# figures of it, both known before the first sound or after the last.
EventKind = Literal["event", "warning", "report"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line for the user.

    Attributes
    ----------
    seconds
        When, in the session's time.
    text
        What, in words that hold for a program as for a command line.
    gap_s
        For how long sound was missing from there on.
    kind
        See `EventKind`.
    settings
        Names of the settings that could change it, as in `streamsep.live.config.LiveConfig`.
    """

    seconds: float
    text: str
    gap_s: float = 0.0
    kind: EventKind = "event"
    settings: tuple[str, ...] = ()


class EventLog:
    """The latest events; any thread but the audio thread adds, anyone looks.

    Parameters
    ----------
    listener
        Told of each event on the thread that adds it.

    Attributes
    ----------
    clock
        Gives the session's seconds; the session sets it.
    """

    CAPACITY = 100

    def __init__(self, listener: Callable[[Event], None] = lambda event: None) -> None:
        self.clock: Callable[[], float] = lambda: 0.0
        self._listener = listener
        self._events: deque[Event] = deque(maxlen=self.CAPACITY)

    def add(
        self,
        text: str,
        *,
        since_s: float | None = None,
        gap_s: float = 0.0,
        kind: EventKind = "event",
        settings: tuple[str, ...] = (),
    ) -> None:
        """Note what happens now, or what lasted ``gap_s`` from a moment of `clock` on."""
        # Names of files and devices are in it, and may be anything.
        text = printable(text)
        event = Event(self.clock() if since_s is None else since_s, text, gap_s, kind, settings)
        self._events.append(event)
        self._listener(event)

    def latest(self) -> tuple[Event, ...]:
        """Return the events kept, oldest first."""
        return tuple(self._events.copy())
