"""What ``streamsep live`` does, without a screen: a live run that a program starts and ends."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from streamsep.audio.files.notices import Notice
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.errors import ArgumentError, first_line
from streamsep.events import EventLog
from streamsep.live.build import LiveParts, build
from streamsep.live.config import LiveConfig
from streamsep.live.prompter import Prompter
from streamsep.live.song_controls import SongControls
from streamsep.priority import OTHERS, promoted
from streamsep.realtime import LatencyReport, Session, SessionStats
from streamsep.realtime.spectrum import Spectrum
from streamsep.scoring import ScoreSnapshot

# Between two looks at how the run is going.
WATCH_S = 0.1
# Waits are cut up: on some systems a signal is only seen between two of them.
WAIT_S = 1.0


class RunDisplay(Protocol):
    """What shows a run: entered before the first update and left after the last."""

    def __enter__(self) -> object:
        """Begin."""

    def __exit__(self, *exception: object) -> None:
        """End."""

    def update(self) -> object:
        """Show the present state."""

    def wait(self, running: Future[None]) -> None:
        """Wait until it is time for the next update, or until the run has ended."""


class LivePlayer(SongControls):
    """Takes the voice out of an input and plays the rest; a context manager.

    Entering it opens everything and starts the music on threads of its own, from whatever thread
    that is; leaving it ends the music, finishes recordings and raises what went wrong. No
    signal, environment variable or setting of the process is touched, unless
    `LiveConfig.tune_process` asks for it.

        with LivePlayer(input="song.flac", output="speakers") as player:
            player.set_gain("vocals", db=-12)
            player.wait()

    Parameters
    ----------
    config
        What to play.  [default: the microphone, to the speakers]
    events
        Where to note what happens.
    settings
        Fields of `LiveConfig`, in place of those of ``config``.

    Raises
    ------
    ArgumentError
        If settings are out of range, or don't go together.
    """

    def __init__(
        self,
        config: LiveConfig | None = None,
        *,
        events: EventLog | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.config = replace(config or LiveConfig(), **settings)
        self.events = events or EventLog()
        self._stopping, self._begun = threading.Event(), threading.Event()
        self._running: Future[None] = Future()
        self._threads: list[threading.Thread] = []
        self._built: LiveParts | None = None
        self._opened = ExitStack()
        self._closing = threading.Lock()
        self._fault: BaseException | None = None
        self._told = False

    def start(self) -> None:
        """Open everything and start the music; returns once it begins, a file being read ahead.

        Raises
        ------
        StreamsepError
            If anything can't be had; nothing is left open then.
        RuntimeError
            If it was started or closed before.
        """
        if self._built is not None or self._stopping.is_set():
            raise RuntimeError("a player plays once; make another")
        with ExitStack() as stack:
            if self.config.tune_process:
                stack.enter_context(promoted(OTHERS))
            self._built = build(self.config, self.events, stack)
            self._opened = stack.pop_all()
        for target, name in ((self._pump, "streamsep-endpoint"), (self._watch, "streamsep-live")):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        try:
            self._begun.wait()
        except BaseException:  # Ctrl-C
            self.close()
            raise

    def __enter__(self) -> LivePlayer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        with self._closing:
            self._end()
            self._opened.pop_all().__exit__(kind, error, traceback)

    def close(self) -> None:
        """End the music, finish recordings and release devices; may be called again.

        Raises
        ------
        StreamsepError
            What ended the run before its time, unless somebody was told; or why a recording
            isn't all there.
        """
        with self._closing:
            self._end()
            with self._opened.pop_all():
                self._tell()

    def _end(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Have the music end; returns at once, and may be called by a signal handler."""
        self._stopping.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the music has ended, at most so long, and say whether it has.

        Raises
        ------
        StreamsepError
            What ended it before its time.
        """
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self._running.done():
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            wait_for([self._running], min(WAIT_S, left))
        self._tell()
        return True

    def run(self, display: RunDisplay) -> SessionStats:
        """Show the run until it ends, on the thread that the display belongs to.

        Returns
        -------
        SessionStats
            Those of the whole run.

        Raises
        ------
        StreamsepError
            What ended it before its time.
        """
        try:
            with display:
                while not self._running.done():
                    display.update()
                    display.wait(self._running)
        except Exception as error:  # what shows the music doesn't end it
            line = f"the display has failed ({first_line(error)}): the music goes on"
            self.events.add(line, kind="warning")
        self.wait()
        return self.stats()

    @property
    def _parts(self) -> LiveParts:
        if self._built is None:
            raise RuntimeError("nothing plays yet: enter the player, or call start")
        return self._built

    def _pump(self) -> None:
        parts = self._parts
        session, mover = parts.session, parts.mover
        try:
            parts.pump.run(
                session.process_block,
                self._stopping,
                tail=session.latency.session if mover is None else 0,
                read_ahead=self._begin,
                held=lambda: session.held,
                missed=partial(session.process_block, missed=True),
            )
        except BaseException as error:  # told by whoever waits
            self._fault = self._fault or error
        finally:
            self._running.set_result(None)
            self._begun.set()

    def _begin(self) -> None:
        if (mover := self._parts.mover) is not None:
            mover.on_song_end = lambda song: self.on_song_end(song)
            mover.begin(self._stopping)
        self._begun.set()

    def _watch(self) -> None:
        """End the run when its time is over or something broke, and see that inference keeps up."""
        parts, seconds = self._parts, self.config.seconds
        session = parts.session
        try:
            while not wait_for([self._running], WATCH_S).done:
                session.check()
                if parts.mover is not None and parts.mover.fault is not None:
                    raise parts.mover.fault
                if seconds is not None and session.seconds >= seconds:
                    self._stopping.set()
                parts.switcher.watch(session)
                parts.guards.look()
            parts.guards.end()
        except Exception as error:  # as above
            self._fault = self._fault or error
            self._stopping.set()

    def _tell(self) -> None:
        """Raise what went wrong, if nobody was told."""
        if self._built is None or self._told:
            return
        try:
            if self._fault is not None:
                raise self._fault
            self._built.session.check()
        except BaseException:
            self._told = True
            raise

    def stats(self) -> SessionStats:
        """Return the state of things now; one thread may ask, at most 10 times a second."""
        return self._parts.session.snapshot()

    @property
    def session(self) -> Session:
        """What runs between the input and the output."""
        return self._parts.session

    @property
    def notices(self) -> list[Notice]:
        """What of the files that are read isn't played as it is in them; known when they end."""
        return self._parts.notices()

    @property
    def latency(self) -> LatencyReport:
        """Where the time goes between a sample's way in and its way out."""
        return self._parts.session.latency

    def set_gain(self, fader: str, db: float) -> None:
        """Move a fader, in decibels (``-inf`` mutes), without a click.

        Parameters
        ----------
        fader
            ``vocals`` (or ``guide``: what is heard of them), ``beat`` (the song, by any of its
            names), ``mic``, ``mic 2`` or ``master``.
        db
            Its gain.

        Raises
        ------
        ValueError
            For an unknown fader, NaN or +inf.
        """
        self._parts.session.set_gain(fader, db)

    def set_bypass(self, bypass: bool) -> None:
        """Play the delayed original in the song's place, at the same moment in the music."""
        self._parts.session.set_bypass(bypass)

    def set_key(self, semitones: int) -> None:
        """Play the song in another key; see `Session.set_key`."""
        self._parts.session.set_key(semitones)

    @property
    def several_models(self) -> bool:
        """Whether there is another model to change to."""
        return self._parts.switcher.several

    def next_model(self) -> None:
        """Change over to the next model, cross-faded, while the music plays."""
        self._parts.switcher.next(self._parts.session)

    @property
    def has_microphone(self) -> bool:
        """Whether somebody may sing along."""
        return bool(self._parts.microphones)

    @property
    def voice_effects(self) -> str | None:
        """What the first microphone's voice gets; None without one."""
        effects = self._parts.voice_effects
        return effects[0].preset if effects else None

    def set_voice_effects(self, preset: str) -> None:
        """Give the voices of all microphones other effects, faded in; plugins stay.

        Parameters
        ----------
        preset
            See `LiveConfig.voice_effects`.

        Raises
        ------
        ArgumentError
            If there are none of this name.
        EffectError
            If the extra that effects need is missing.
        """
        if preset not in VOICE_EFFECTS:
            raise ArgumentError(
                f"no voice effects are called {preset!r}",
                expected=", ".join(VOICE_EFFECTS),
                remedy="choose one of these",
            )
        for effects in self._parts.voice_effects:
            effects.choose(preset)

    @property
    def from_file(self) -> bool:
        """Whether the input is a file."""
        return self._parts.transport is not None

    @property
    def spectrum(self) -> Spectrum | None:
        """Levels of the vocals by band, where the model tells them apart."""
        return self._parts.spectrum

    @property
    def prompter(self) -> Prompter | None:
        """The lyrics in time with the music, if there are any."""
        return self._parts.prompter

    @property
    def score(self) -> ScoreSnapshot | None:
        """How the song's score stands, where that was asked for; any thread may ask."""
        score = self._parts.score
        return None if score is None else score.snapshot()

    def restart_score(self) -> ScoreSnapshot | None:
        """Begin the score anew, as with another song; return how it stood."""
        score = self._parts.score
        return None if score is None else score.next_song()

    @property
    def recorded_s(self) -> float | None:
        """Length of the recording; None without one."""
        recorders = self._parts.recorders
        rate = self._parts.session.latency.sample_rate
        return recorders[-1].written / rate if recorders else None
