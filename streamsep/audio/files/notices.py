"""What is otherwise in the sound that comes out than in the file that it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamsep.errors import printable

MOST_PLACES = 10  # of damage in one file that are named one by one
NEAR_S = 0.25  # places that are nearer to each other are one


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for whoever gave the file.

    Attributes
    ----------
    lost
        Whether sound of the file is missing from what was made of it; else it was moved, or
        something beside the sound couldn't be kept.
    at_s
        Where in the file, or None for all of it.
    """

    path: Path
    text: str
    lost: bool = False
    at_s: float | None = None

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.text}")


OnNotice = Callable[[Notice], object]


class Notices:
    """Collects the notices of a file and passes each on at once.

    Places of damage that lie near each other become one; `flush` ends the last of them.
    """

    def __init__(self, path: Path, on_notice: OnNotice | None = None) -> None:
        self._path, self._on_notice = path, on_notice
        self.all: list[Notice] = []
        self._open: tuple[float, float, str, int] | None = None  # start, end, why, samples
        self._places = 0

    @property
    def lost(self) -> bool:
        """Whether sound is missing."""
        return any(notice.lost for notice in self.all)

    def add(self, text: str, *, lost: bool = False, at_s: float | None = None) -> None:
        """Say something."""
        notice = Notice(self._path, text, lost, at_s)
        self.all.append(notice)
        if self._on_notice is not None:
            self._on_notice(notice)

    def say_once(self, text: str) -> None:
        """Say what holds for each of several files that are made, unless it was said."""
        if all(notice.text != text for notice in self.all):
            self.add(text)

    def silenced(self, start_s: float, end_s: float, why: str, samples: int = 0) -> None:
        """Note a place where silence stands for sound; ``samples`` if single ones were bad."""
        if self._open is not None:
            first, last, before, count = self._open
            if before == why and start_s - last < NEAR_S:
                self._open = first, end_s, why, count + samples
                return
        self.flush()
        self._open = start_s, end_s, why, samples

    def flush(self, *, ended: bool = False) -> None:
        """Say what is noted; ``ended`` also says how many places weren't named."""
        if self._open is not None:
            start_s, end_s, why, samples = self._open
            self._open = None
            self._places += 1
            if self._places <= MOST_PLACES:
                self.add(_place(start_s, end_s, why, samples), lost=True, at_s=start_s)
        if ended and self._places > MOST_PLACES:
            self.add(f"{self._places - MOST_PLACES} more places are silenced", lost=True)
            self._places = 0


def _place(start_s: float, end_s: float, why: str, samples: int) -> str:
    if samples:
        plural = "" if samples == 1 else "s"
        where = f"at {start_s:.3f} s" if end_s - start_s < 0.001 else _range(start_s, end_s)
        return f"{samples} sample{plural} silenced {where} ({why})"
    if end_s - start_s < 0.001:
        return f"damaged at {start_s:.3f} s, and heard as far as it can be ({why})"
    return f"silenced {_range(start_s, end_s)} ({why})"


def _range(start_s: float, end_s: float) -> str:
    return f"from {start_s:.3f} to {end_s:.3f} s"
