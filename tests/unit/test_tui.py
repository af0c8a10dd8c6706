"""The live line, as exact text."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from streamsep.realtime import LatencyReport, SessionStats
from streamsep.tui.app import StatusDisplay
from streamsep.tui.view import clock, meter, status_lines

STATS = SessionStats(
    seconds=83.4, level_in_db=-6.02, level_out_db=-14.5,
    latency=LatencyReport(
        sample_rate=44_100, device_in=1536, buffering=4096, slack=1024, stft=1024,
        lookahead=5120, device_out=1536,
    ),
    measured_latency=11_264, hop_p50_ms=2.61, hop_p99_ms=3.44, hop_budget_ms=92.9, dropouts=1,
    device_glitches=2, bad_samples=0, provider="CPU", model="vocals",
)  # fmt: skip


def test_the_line_says_it_all_in_eighty_columns():
    assert status_lines(STATS) == (
        "1:23  in ███████████░  -6.0 dB  out █████████░░░ -14.5 dB\n"
        "latency 325 ms (measured 325)  hop 2.6/3.4 of 93 ms  dropouts 3  CPU"
    )
    worst = replace(
        STATS, seconds=36_000, level_in_db=-math.inf, hop_p50_ms=99.9, hop_p99_ms=999.9,
        dropouts=999_999, provider="CUDA",
    )  # fmt: skip
    assert max(len(line) for line in status_lines(worst).splitlines()) <= 80


def test_nothing_measured_yet():
    early = replace(STATS, measured_latency=None, hop_p50_ms=math.nan, hop_p99_ms=math.nan)
    assert "(measured …)  hop …  dropouts" in status_lines(early)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (-math.inf, "░░░░░░░░░░░░  -inf dB"),
        (-90.0, "░░░░░░░░░░░░ -90.0 dB"),
        (-30.0, "██████░░░░░░ -30.0 dB"),
        (0.0, "████████████   0.0 dB"),
        (6.0, "████████████   6.0 dB"),
    ],
)
def test_meter(level, text):
    assert meter(level) == text


def test_clock():
    assert [clock(s) for s in (0, 59.9, 61, 3_600)] == ["0:00", "0:59", "1:01", "1:00:00"]


class StillSession:
    """A session in which nothing moves."""

    def snapshot(self):
        return STATS


def shown(terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, height=24)
    with StatusDisplay(StillSession(), console) as display:
        display.update()
        assert display.seconds == STATS.seconds
    return text.getvalue()


def test_a_log_gets_one_plain_line_per_update():
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "vocals on CPU; Ctrl-C ends"
    assert lines[1:] == [status_lines(STATS).replace("\n", "  ")] * 2


def test_a_terminal_is_redrawn_in_place():
    first, *redrawn = shown(terminal=True).split("latency 325 ms")
    assert "\x1b[1A" not in first
    assert redrawn
    # Between two drawings the cursor goes back up over the first.
    assert all("\x1b[1A" in text for text in redrawn[:-1])
