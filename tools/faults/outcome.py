"""What became of each fault on each server: rows of the page's table."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from faults.sound import SONG_HZ, WINDOWS_HZ, heard

COLUMNS = (
    *("fault", "server", "times", "song back after", "voice back after"),
    *("latency reported / measured", "silence recorded, named", "outcome"),
)
ALIGNS = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---")
BACK_S = 2.0  # from the end of a cause until there is sound
SAME_MS = 15.0  # between latency reported and measured, where servers tell times of their own
UNNAMED_S = 1.5  # of silence around a gap, from what is in buffers at both ends
# Of gaps that are none in a recording, or not all of them.
SLEPT, LEFT_OUT = "recordings leave it out", re.compile(r"recordings leave out (\d+\.\d) s")


@dataclass
class Try:
    """One time that a fault was injected.

    Attributes
    ----------
    at_s
        When it began, by the program's clock.
    song_s, voice_s
        After how long they were back, at most; None for never.
    latency_ms
        Reported and measured, once all was calm again.
    silent_s, named_s
        Of the recording, until the next fault.
    wrong
        What wasn't as promised.
    """

    at_s: float
    song_s: float | None = 0.0
    voice_s: float | None = 0.0
    latency_ms: tuple[float, float | None] | None = None
    silent_s: float = 0.0
    named_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Note what of its figures isn't as promised."""
        for name, back_s in (("song", self.song_s), ("voice", self.voice_s)):
            if back_s is None:
                self.wrong.append(f"no {name} any more")
            elif back_s > BACK_S:
                self.wrong.append(f"the {name} later than {BACK_S:g} s")
        reported, measured = self.latency_ms or (0.0, None)
        if measured is not None and abs(reported - measured) > SAME_MS:
            self.wrong.append("another latency than reported")
        if self.silent_s > self.named_s + UNNAMED_S:
            self.wrong.append("silence in the recording that isn't named")


@dataclass
class Outcome:
    """All tries of one fault on one server."""

    fault: str
    server: str
    tries: list[Try] = field(default_factory=list)

    @property
    def wrong(self) -> Counter[str]:
        """What wasn't as promised, and how often."""
        return Counter(line for each in self.tries for line in dict.fromkeys(each.wrong))

    def row(self) -> str:
        """Return it as a row of the page's table."""
        worst = max(
            (t.latency_ms for t in self.tries if t.latency_ms and t.latency_ms[1] is not None),
            key=lambda pair: abs(pair[0] - (pair[1] or 0.0)),
            default=None,
        )
        gap = max(self.tries, key=lambda t: t.silent_s - t.named_s, default=Try(0.0))
        cells = (
            *(self.fault, self.server, str(len(self.tries))),
            *(_longest([t.song_s for t in self.tries]), _longest([t.voice_s for t in self.tries])),
            "–" if worst is None else f"{worst[0]:.0f} / {worst[1]:.0f} ms",
            f"{gap.silent_s:.1f}, {gap.named_s:.1f} s",
            "; ".join(f"{n} × {line}" for line, n in self.wrong.items()) or "as promised",
        )
        return f"| {' | '.join(cells)} |"


def _longest(times: list[float | None]) -> str:
    if None in times:
        return "never"
    return f"{max((t for t in times if t is not None), default=0.0):.1f} s"


def left_out_s(events: list[dict]) -> float:
    """Return by how much recordings are shorter than a run, as its events say."""
    found = (LEFT_OUT.search(event["text"]) for event in events)
    return sum(float(match[1]) for match in found if match)


def look_into(recording: np.ndarray, events: list[dict], tries: list[Try]) -> None:
    """Find the silences in a recording (N,), and what the program has named of them.

    Parameters
    ----------
    events
        As ``--json`` has them.
    tries
        In the order of their times.
    """
    there = heard(recording, SONG_HZ)
    named = np.zeros(len(there) + 1, bool)
    for gap in (e for e in events if e["gap_s"] and SLEPT not in e["text"]):
        first = round(gap["time_s"] * WINDOWS_HZ)
        named[first : first + round(gap["gap_s"] * WINDOWS_HZ)] = True
    begins = [each.at_s - UNNAMED_S for each in tries] + [len(there) / WINDOWS_HZ]
    places = [max(round(begin_s * WINDOWS_HZ), 0) for begin_s in begins]
    for each, begin, end in zip(tries, places, places[1:], strict=False):
        each.silent_s = float(np.count_nonzero(~there[begin:end])) / WINDOWS_HZ
        # Also of a gap that began before the fault: what a busy machine lost runs on into it.
        each.named_s = float(np.count_nonzero(named[begin:end])) / WINDOWS_HZ


def table(outcomes: list[Outcome]) -> list[str]:
    """Return the lines of the page's table."""
    head = [f"| {' | '.join(COLUMNS)} |", f"| {' | '.join(ALIGNS)} |"]
    return head + [outcome.row() for outcome in outcomes]
