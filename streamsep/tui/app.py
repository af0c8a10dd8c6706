"""Shows the live line: redrawn in place on a terminal, once a second anywhere else."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamsep.realtime.session import Session
from streamsep.tui.view import status_lines


class StatusDisplay:
    """Draws a session; a context manager.

    Parameters
    ----------
    session
        What to show.
    console
        Where; standard output unless told otherwise.
    """

    def __init__(self, session: Session, console: Console | None = None) -> None:
        self._session = session
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self.seconds = 0.0  # of sound processed so far

    @property
    def period_s(self) -> float:
        """Seconds to wait between updates: 10 a second to look at, one to log."""
        return 0.1 if self._console.is_terminal else 1.0

    def __enter__(self) -> StatusDisplay:
        stats = self._session.snapshot()
        self._console.print(f"{stats.model} on {stats.provider}; Ctrl-C ends", markup=False)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.__enter__()
        return self

    def update(self) -> None:
        """Draw the present state."""
        stats = self._session.snapshot()
        self.seconds = stats.seconds
        text = Text(status_lines(stats), no_wrap=True)
        if self._live is not None:
            self._live.update(text, refresh=True)
        else:
            self._console.print(text.plain.replace("\n", "  "), markup=False, soft_wrap=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.update()
        if self._live is not None:
            self._live.__exit__(kind, value, trace)
