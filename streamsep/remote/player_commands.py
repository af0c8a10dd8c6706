"""The player as clients command it: the one place here that knows how a `LivePlayer` is used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamsep.dsp.decibels import db_to_gain, to_db
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.errors import ArgumentError
from streamsep.live.player import LivePlayer
from streamsep.remote.protocol import (
    LONGEST_S,
    LOWEST_GAIN_DB,
    PLAYER_COMMANDS,
    Client,
    Command,
    Request,
)
from streamsep.remote.service import Message
from streamsep.scoring import ScoreSnapshot

# Clients reckon where a song is from what they were told last; this is how far that may be off,
# and after how long they are told anyway.
POSITION_OFF_S, POSITION_EVERY_S = 0.05, 2.0
# What a player must have for a command to be of use.
NEEDS: dict[str, str] = {
    "pause": "pause",
    "resume": "resume",
    "seek": "seek",
    "restart": "restart",
    "next": "next",
    "previous": "previous",
    "loop": "loop",
    "voice": "set_voice_effects",
}


class PlayerCommands:
    """Handles what is asked of the player, and says how it is.

    Parameters
    ----------
    player
        Started; with an input that can't be paused it has no transport, and no such features.
    """

    commands: Mapping[str, Command] = PLAYER_COMMANDS

    def __init__(self, player: LivePlayer) -> None:
        self._player: Any = player  # parts of it are there for some inputs only
        self._loop: tuple[float, float] | None = None
        self._told_s, self._told_at, self._told_going = 0.0, -math.inf, False

    def tick(self) -> None:
        """There is nothing to see to: the player plays by itself."""

    @property
    def features(self) -> list[str]:
        """Commands that do something with what plays."""
        session = self._player.session
        there = {
            "key": session.key is not None,
            "guide": "guide" in session.faders,
            "voice": self._can("voice") and self._player.has_microphone,
        }
        return [name for name in self.commands if there.get(name, self._can(name))]

    def _can(self, name: str) -> bool:
        if name not in NEEDS:
            return True
        return hasattr(self._player, NEEDS[name]) and (self._player.from_file or name == "voice")

    def handle(self, request: Request, client: Client) -> Message:
        """Do it; see `Handler`."""
        name, values = request.type, request.values
        if name not in self.features:
            raise ArgumentError(
                f"{name} does nothing with what plays",
                expected=", ".join(self.features),
                remedy="play a file, or start with what it needs",
            )
        action: Callable[..., object] = getattr(self, f"_do_{name}", None) or getattr(
            self._player, NEEDS[name]
        )
        try:
            action(**values)
        except ValueError as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(
                str(error), expected="a setting of what plays", remedy="ask for its state"
            ) from error
        return {"player": self.state()} if name == "state" else {}

    def _do_state(self) -> None:
        """Nothing but telling it."""

    def _do_gain(self, fader: str, db: float) -> None:
        self._player.set_gain(fader, -math.inf if db <= LOWEST_GAIN_DB else db)

    def _do_guide(self, percent: float) -> None:
        self._player.set_gain("guide", to_db(percent / 100.0))

    def _do_key(self, semitones: int) -> None:
        self._player.set_key(semitones)

    def _do_bypass(self, on: bool) -> None:
        self._player.set_bypass(on)

    def _do_voice(self, preset: str) -> None:
        self._player.set_voice_effects(preset)

    def _do_loop(self, start: float | None = None, end: float | None = None) -> None:
        if start is None or end is None:
            self._player.loop(None)
            self._loop = None
            return
        if not start < end:
            raise ArgumentError(
                f"a loop from {start:g} to {end:g} s can't be played",
                expected="an end after the start",
                remedy="give both in seconds, or none to end it",
            )
        self._player.loop(start, end)
        self._loop = (start, end)

    def play(self, song: Path, stems: dict[str, Path] | None) -> None:
        """Have a song played from now on; see `LivePlayer.play`."""
        self._player.play(song, stems)
        self._loop = None

    def use_stems(self, stems: dict[str, Path]) -> None:
        """Take the song's stems from files from now on."""
        self._player.use_stems(stems)

    def end_song(self) -> None:
        """Have the song be over, where one plays."""
        self._loop = None
        with suppress(ArgumentError):  # it was over before
            self._player.loop(None)
            self._player.seek(self._player.duration_s or LONGEST_S)
            self._player.resume()

    @property
    def idle(self) -> bool:
        """Whether no song plays, and none is about to."""
        return bool(self._player.idle)

    def score(self) -> ScoreSnapshot | None:
        """How the singers' score stands, None where nobody is scored."""
        snapshot: ScoreSnapshot | None = self._player.score
        return snapshot

    def restart_score(self) -> ScoreSnapshot | None:
        """Begin it anew, and return how it stood."""
        snapshot: ScoreSnapshot | None = self._player.restart_score()
        return snapshot

    def news(self) -> Mapping[str, Message]:
        """Return the state, as what everybody is told."""
        return {"player": {"type": "player", **self.state()}}

    @property
    def position_s(self) -> float:
        """Where in the song it is that is heard now."""
        position_s = getattr(self._player, "position_s", None)
        return float(self._player.session.seconds if position_s is None else position_s)

    def state(self) -> Message:
        """Return all that a remote shows of the player; seconds and decibels."""
        player, session = self._player, self._player.session
        faders = session.faders
        paused, idle = bool(getattr(player, "paused", False)), bool(getattr(player, "idle", False))
        duration = getattr(player, "duration_s", None)
        return {
            "song": _name_of(getattr(player, "song", None)),
            "paused": paused,
            "idle": idle,
            "position": self._steady(not paused and not idle),
            "duration": duration,
            "loop": self._loop,
            "faders": {
                name: max(db, LOWEST_GAIN_DB) for name, db in faders.items() if name != "guide"
            },
            "guide": round(100.0 * db_to_gain(faders.get("guide", -math.inf)), 1),
            "key": session.key,
            "bypass": session.bypass,
            "voice": getattr(player, "voice_effects", None),
            "voices": list(VOICE_EFFECTS),
            "mic": player.has_microphone,
            "features": self.features,
        }

    def _steady(self, going: bool) -> float:
        """Return the place in the song, or the last one told where clients know how it goes on."""
        now, position = time.monotonic(), self.position_s
        reckoned = self._told_s + (now - self._told_at if self._told_going else 0.0)
        if (
            going != self._told_going
            or abs(position - reckoned) > POSITION_OFF_S
            or now - self._told_at > POSITION_EVERY_S
        ):
            self._told_s, self._told_at, self._told_going = round(position, 3), now, going
        return self._told_s


def _name_of(song: Path | None) -> str | None:
    """What a song's file is called: never where it lies."""
    return None if song is None else Path(song).stem
