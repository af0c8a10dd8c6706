"""Shows a running session: a screen with keys, or lines for logs or for programs."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from rich.console import Console

from streamsep.events import Event
from streamsep.live.player import LivePlayer
from streamsep.live.prompter import Prompter
from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.session import Session
from streamsep.realtime.spectrum import Spectrum
from streamsep.realtime.stats import SessionStats
from streamsep.scoring import ScoreSnapshot
from streamsep.tui.keys import Binding
from streamsep.tui.song_keys import SongKeys
from streamsep.tui.view import Shown, ascii_only, event_line, plain_line, record, video_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What is shown of a live run, and what keys do to it, besides the session itself.

    What isn't given isn't offered.

    Attributes
    ----------
    quit
        Ends it.
    microphone
        Whether there is one.
    video
        Whether the sound may be that of a video.
    next_model
        Changes over to another one.
    spectrum
        Tap on what is taken out.
    recorded_s
        Asked for the length of the recording; None without one.
    score
        Asked for that of who sings along; None without one.
    songs
        Keys for those that play.
    """

    quit: Callable[[], None]
    microphone: bool = False
    video: bool = False
    next_model: Callable[[], None] | None = None
    spectrum: Spectrum | None = None
    prompter: Prompter | None = None
    recorded_s: Callable[[], float | None] = lambda: None
    score: Callable[[], ScoreSnapshot | None] = lambda: None
    songs: Sequence[Binding] = ()


class Display(ABC):
    """Shows a session again and again; a context manager.

    Parameters
    ----------
    session
        What to show.
    controls
        What there is besides.
    console
        Where; standard output unless told otherwise.
    """

    period_s = 1.0

    def __init__(
        self, session: Session, controls: Controls, console: Console | None = None
    ) -> None:
        self._session, self._controls = session, controls
        self._console = console or Console(highlight=False, markup=False, emoji=False)
        encoding = self._console.encoding.lower()
        self._blocks = encoding.startswith("utf")  # whether it can show them
        self._told: Event | None = None  # the last one

    def __enter__(self) -> Display:
        return self

    def update(self) -> SessionStats:
        """Show the present state and return it."""
        shown = self._look()
        self._draw(shown)
        return shown.stats

    def wait(self, running: Future[None]) -> None:
        """Wait until it is time for the next update, or until the live run has ended."""
        wait([running], timeout=self.period_s)

    def __exit__(self, *exception: object) -> None:
        self.update()

    def _look(self) -> Shown:
        stats, controls = self._session.snapshot(), self._controls
        prompter = controls.prompter
        return Shown(
            stats,
            spectrum_db=controls.spectrum.levels_db() if controls.spectrum else (),
            microphone=controls.microphone,
            recorded_s=controls.recorded_s(),
            lyrics=prompter.at(stats) if prompter else None,
            lyrics_offset_s=prompter.offset_s if prompter else 0.0,
            score=controls.score(),
            news=self._news(stats.events),
        )

    def _news(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        told, self._told = self._told, events[-1] if events else None
        return events[events.index(told) + 1 :] if told in events else events

    @abstractmethod
    def _draw(self, shown: Shown) -> None:
        """Show it."""

    def _print(self, line: str) -> None:
        self._console.print(line if self._blocks else ascii_only(line), soft_wrap=True)


class PlainDisplay(Display):
    """One line a second, for logs."""

    RESET_MS = 10.0  # by so much a video may be out of step before its setting is said anew

    _set_ms = 0.0

    def __enter__(self) -> Display:
        stats = self._session.snapshot()
        self._print(f"{stats.model} on {stats.provider}; Ctrl-C ends")
        self._tell_settings(stats.latency)
        return self

    def _tell_settings(self, latency: LatencyReport) -> None:
        total_ms = latency.ms(latency.total)
        if self._controls.video and abs(total_ms - self._set_ms) >= self.RESET_MS:
            self._set_ms = total_ms
            self._print(video_settings(latency))

    def _draw(self, shown: Shown) -> None:
        self._tell_settings(shown.stats.latency)
        for event in shown.news:
            if event.kind == "event":  # others are said before the first line or after the last
                self._print(event_line(event))
        self._print(plain_line(shown))


class JsonDisplay(Display):
    """One object a second, for programs; the last one says that it is."""

    def _draw(self, shown: Shown, *, final: bool = False) -> None:
        self._print(json.dumps(record(shown, final=final)))

    def __exit__(self, *exception: object) -> None:
        self._draw(self._look(), final=True)


def controls_of(player: LivePlayer) -> Controls:
    """Return what is shown of a player that has started, and what keys do to it."""
    return Controls(
        quit=player.stop,
        video=not player.from_file,
        microphone=player.has_microphone,
        next_model=player.next_model if player.several_models else None,
        spectrum=player.spectrum,
        prompter=player.prompter,
        recorded_s=lambda: player.recorded_s,
        score=lambda: player.score,
        songs=SongKeys(player, player.events).bindings() if player.from_file else (),
    )


def choose_display(player: LivePlayer, *, plain: bool = False, as_json: bool = False) -> Display:
    """Return what was asked for; unasked, a screen where there is a terminal, else lines."""
    from streamsep.tui.screen import ScreenDisplay

    session, controls = player.session, controls_of(player)
    console = Console(highlight=False, markup=False, emoji=False)
    if as_json:
        return JsonDisplay(session, controls, console)
    if plain or not sys.stdout.isatty() or console.is_dumb_terminal:
        return PlainDisplay(session, controls, console)
    return ScreenDisplay(session, controls, console)
