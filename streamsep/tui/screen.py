"""The screen of a running session, with keys."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from types import FrameType

from rich.console import Console
from rich.live import Live

from streamsep.realtime.session import Session
from streamsep.realtime.stats import SessionStats
from streamsep.tui.display import Controls, Display
from streamsep.tui.faders import moved
from streamsep.tui.keys import Binding, Keyboard
from streamsep.tui.view import (
    Shown,
    ascii_only,
    event_line,
    last_line,
    levels,
    screen,
    video_settings,
)

HOLD_S = 1.5
HELD_FALLS_DB_PER_S = 20.0
HINT_S = 20.0  # how long the screen says at first what to set for a video
NEWS_S = 15.0  # how long an event is shown
LYRICS_STEP_S = 0.1
WITHOUT_KEYS = [("Ctrl-C", "ends")]


class PeakHold:
    """Keeps the peaks of meters up for a while, then lets them fall."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, float]] = {}  # dB, and since when

    def update(self, levels_db: Mapping[str, float], now_s: float) -> dict[str, float]:
        """Take in new levels and return what the meters should mark."""
        for name, level in levels_db.items():
            if level >= self._at(name, now_s):
                self._held[name] = (level, now_s)
        return {name: self._at(name, now_s) for name in levels_db}

    def _at(self, name: str, now_s: float) -> float:
        level, since_s = self._held.get(name, (-math.inf, now_s))
        return level - max(now_s - since_s - HOLD_S, 0.0) * HELD_FALLS_DB_PER_S


class ScreenDisplay(Display):
    """The whole terminal, drawn at most ten times a second, with keys.

    The terminal is as it was when this is left, and while Ctrl-Z holds the program.
    """

    period_s = 0.1

    def __init__(
        self, session: Session, controls: Controls, console: Console | None = None
    ) -> None:
        super().__init__(session, controls, console)
        self._keyboard = Keyboard()
        self._terminal = ExitStack()
        self._peaks = PeakHold()
        self._note(session.snapshot())
        self._bindings = self._bind()
        self._fader = self._faders[0]
        self._guide_db = 0.0  # where the guide goes back to after it was muted
        self._to_suspend = False

    def _note(self, stats: SessionStats) -> None:
        """Keep what keys start from: several may come between two looks."""
        self._stats, self._bypass, self._gains_db = stats, stats.bypass, dict(stats.faders)
        self._key = stats.key

    @property
    def _faders(self) -> list[str]:
        return [name for name in self._gains_db if name != "mic" or self._controls.microphone]

    def _bind(self) -> list[Binding]:
        bindings = [
            Binding(
                "← →",
                "fader",
                {
                    "left": partial(self._choose, -1),
                    "right": partial(self._choose, 1),
                },
            ),
            Binding(
                "↑ ↓",
                "level",
                {
                    "up": partial(self._move, 1),
                    "down": partial(self._move, -1),
                },
            ),
            Binding("g", "guide on/off", {"g": self._toggle_guide}),
            Binding("b", "bypass", {"b": self._toggle_bypass}),
        ]
        if self._key is not None:
            bindings.append(
                Binding(
                    "- +",
                    "key",
                    {
                        "-": partial(self._move_key, -1),
                        "+": partial(self._move_key, 1),
                    },
                )
            )
        bindings += self._controls.songs
        if next_model := self._controls.next_model:
            bindings.append(Binding("m", "model", {"m": next_model}))
        if prompter := self._controls.prompter:
            bindings += [
                Binding("space", "song begins", {" ": lambda: prompter.begin(self._stats)}),
                Binding(
                    ", .",
                    "lyrics sooner, later",
                    {
                        ",": partial(prompter.move, -LYRICS_STEP_S),
                        ".": partial(prompter.move, LYRICS_STEP_S),
                    },
                ),
            ]
        return [*bindings, Binding("q", "quit", {"q": self._controls.quit})]

    def __enter__(self) -> Display:
        self._take_terminal()
        return self

    def __exit__(self, *exception: object) -> None:
        self._terminal.close()
        self._print(last_line(self._look()))  # the screen is gone; its figures stay

    def _take_terminal(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._keyboard)
            self._live = stack.enter_context(
                Live(console=self._console, screen=True, auto_refresh=False)
            )
            if sys.platform != "win32":
                before = signal.signal(signal.SIGTSTP, self._ask_to_suspend)
                stack.callback(signal.signal, signal.SIGTSTP, before)
            self._terminal = stack.pop_all()

    def _ask_to_suspend(self, signum: int, frame: FrameType | None) -> None:
        self._to_suspend = True  # not in the middle of a drawing

    def _suspend(self) -> None:
        """Stop, as Ctrl-Z does, with the terminal as it was; go on when the shell says so."""
        self._to_suspend = False
        self._terminal.close()
        if sys.platform != "win32":
            signal.raise_signal(signal.SIGTSTP)
        self._take_terminal()

    def wait(self, running: Future[None]) -> None:
        """Do what keys say until it is time for the next drawing."""
        deadline = time.monotonic() + self.period_s
        while not running.done() and (left := deadline - time.monotonic()) > 0:
            for key in self._keyboard.read(left):
                self._press(key)
            if self._to_suspend:
                self._suspend()

    def _press(self, key: str) -> None:
        for binding in self._bindings:
            if action := binding.actions.get(key):
                action()

    def _look(self) -> Shown:
        shown = super()._look()
        self._note(shown.stats)
        return shown

    def _draw(self, shown: Shown) -> None:
        shown = replace(
            shown,
            held_db=self._peaks.update(levels(shown), time.monotonic()),
            message=self._message(shown.stats),
            fader=self._fader,
            keys=[b[:2] for b in self._bindings] if self._keyboard.active else WITHOUT_KEYS,
        )
        text = screen(shown, *self._console.size)
        if not self._blocks:
            text.plain = ascii_only(text.plain)
        self._live.update(text, refresh=True)

    def _message(self, stats: SessionStats) -> str:
        """Return the latest event while it is news; before any, what to set for a video."""
        if stats.events:
            event = stats.events[-1]
            known_at = event.seconds + event.gap_s
            return event_line(event) if stats.seconds - known_at < NEWS_S else ""
        hint = self._controls.video and stats.seconds < HINT_S
        return video_settings(stats.latency) if hint else ""

    def _choose(self, steps: int) -> None:
        index = self._faders.index(self._fader) + steps
        self._fader = self._faders[index % len(self._faders)]

    def _move(self, steps: int) -> None:
        self._set(self._fader, moved(self._fader, self._gains_db[self._fader], steps))

    def _set(self, fader: str, gain_db: float) -> None:
        self._gains_db[fader] = gain_db
        self._session.set_gain(fader, gain_db)

    def _move_key(self, steps: int) -> None:
        key = (self._key or 0) + steps
        with suppress(ValueError):  # beyond the lowest or the highest
            self._session.set_key(key)
            self._key = key

    def _toggle_guide(self) -> None:
        gain_db = self._gains_db["guide"]
        if math.isinf(gain_db):
            self._set("guide", self._guide_db)
        else:
            self._guide_db = gain_db
            self._set("guide", -math.inf)

    def _toggle_bypass(self) -> None:
        self._bypass = not self._bypass
        self._session.set_bypass(self._bypass)
