"""Progress bars of commands that work on files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streamsep.errors import printable


class ProgressBars:
    """A progress bar a file while it is worked on, and one for the lot; on a terminal only."""

    def __init__(self, files: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            # Else what goes to a pipe would come here.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._lot = self._progress.add_task(f"{files} files", total=files, visible=files > 1)

    @contextmanager
    def of(self, path: Path) -> Iterator[Callable[[float], None]]:
        """Show a bar for a file; call what this gives with the share done, 0 to 1."""
        task, shown = self._progress.add_task(printable(path.name), total=1.0), 0.0

        def on_progress(share: float) -> None:
            nonlocal shown
            self._progress.update(task, completed=share)
            self._progress.advance(self._lot, share - shown)
            shown = share

        try:
            yield on_progress
            on_progress(1.0)
        finally:
            self._progress.remove_task(task)

    def __enter__(self) -> ProgressBars:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
