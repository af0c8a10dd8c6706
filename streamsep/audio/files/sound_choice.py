"""Which sound of a file is meant, where it holds several: one of its tracks, one of its sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsep.errors import ArgumentError, AudioFileError

BOTH, LEFT, RIGHT = "both", "left", "right"
SIDES = {LEFT: 0, RIGHT: 1}
CHANNELS = (BOTH, *SIDES)


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """What of a file's sound is taken, as of karaoke discs.

    Attributes
    ----------
    track
        Number from 1, language or title of a track of sound; None for the one that players take.
    channel
        ``left`` or ``right`` for one side of stereo alone, as of discs with the music on one and
        the voice on the other; ``both`` as it is.

    Raises
    ------
    ArgumentError
        For another channel.
    """

    track: str | None = None
    channel: str = BOTH

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        if self.channel not in CHANNELS:
            raise ArgumentError(
                f"no channel of a sound is called {self.channel!r}",
                expected=", ".join(CHANNELS),
                remedy="choose one of these",
                settings=("channel",),
            )

    @property
    def facts(self) -> dict[str, object]:
        """What a stem's content depends on, for `MadeFrom`; nothing where all is taken."""
        return {} if self == WHOLE else {"track": self.track, "channel": self.channel}

    @property
    def side(self) -> int | None:
        """Which channel alone is taken, from 0; None for both."""
        return SIDES.get(self.channel)


WHOLE = SoundChoice()


def track_names(tracks: Sequence[Any]) -> list[str]:
    """Return what tracks are called, by title, else language, else number."""
    return [
        track.metadata.get("title") or track.metadata.get("language") or f"track {number}"
        for number, track in enumerate(tracks, 1)
    ]


def find_track(tracks: Sequence[Any], wanted: str, path: Path) -> Any:
    """Return the track that is meant by its number, language or title, or a part of that.

    Raises
    ------
    AudioFileError
        If there is none, or no one track of that name.
    """
    word = wanted.strip().casefold()
    if word.isdecimal() and 1 <= int(word) <= len(tracks):
        return tracks[int(word) - 1]
    facts = [
        [track.metadata.get(key, "").casefold() for key in ("language", "title")]
        for track in tracks
    ]
    for is_meant in (lambda fact: word == fact, lambda fact: word and word in fact):
        found = [t for t, known in zip(tracks, facts, strict=True) if any(map(is_meant, known))]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise AudioFileError(
        f"{path} has {'several tracks' if found else 'no track'} {wanted!r}",
        expected=_listed(tracks),
        remedy="choose one of these by its number",
        settings=("track",),
    )


def _listed(tracks: Sequence[Any]) -> str:
    def told(track: Any) -> str:
        known = [track.metadata.get(key, "") for key in ("language", "title")]
        return f" ({', '.join(filter(None, known))})" if any(known) else ""

    return ", ".join(f"{number}{told(track)}" for number, track in enumerate(tracks, 1))
