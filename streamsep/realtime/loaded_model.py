"""A separator that is ready to play, with what was put behind it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from streamsep.realtime.latency import DEFAULT_SLACK
from streamsep.separation import Separator


class Key(Protocol):
    """What can play the song in another key."""

    @property
    def semitones(self) -> int:
        """The key that was asked for last."""

    def set_key(self, semitones: int) -> None:
        """Ask for another."""


class LoadedModel(NamedTuple):
    """A separator with what was put behind it; see `Session` for each."""

    separator: Separator
    key: Key | None = None
    effects_delay: int = 0
    slack: int = DEFAULT_SLACK
