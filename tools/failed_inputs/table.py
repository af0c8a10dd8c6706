"""The rows: what is put in, and what judges what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Row:
    """A case: its class, what is put in, and what judges it."""

    number: int
    what: str
    judge: Callable[[Path], tuple[bool, str]]


ROWS: list[Row] = []
Verdict = tuple[bool, str]


def case(number: int, what: str) -> Callable[[Callable[[Path], Verdict]], Callable]:
    """Enter a function as the judge of a case."""

    def enter(judge: Callable[[Path], Verdict]) -> Callable[[Path], Verdict]:
        ROWS.append(Row(number, what, judge))
        return judge

    return enter
