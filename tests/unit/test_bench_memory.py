"""tools/bench.py: the most memory of a command, and what stands of it in the tables."""

from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "tools")
    return import_module("benchmark.program"), import_module("benchmark.report")


def test_a_commands_own_memory_is_measured_and_not_that_of_whoever_runs_it(tools, tmp_path):
    program, _ = tools
    scene = program.Scene(tmp_path, (0,), "python", quick=True)
    held = bytearray(b"x") * 300_000_000  # here, not there
    peak = scene.peak_mb("--help")
    assert len(held) > 0
    # Python with click takes 25.
    assert 5 < peak < 200


def test_what_separate_may_take_is_a_goal_and_both_figures_are_shown(tools):
    _, report = tools
    for peak, holds in ((299.0, True), (301.0, False)):
        peaks = {"one song to WAV": peak, "two songs to WAV, --jobs 2": 465.4}
        result = {
            "contenders": [],
            "about": {"device": "cpu"},
            "program": {"separate-memory": {"song_s": 240.0, "peak_mb": peaks}},
        }
        (goal,) = report.goals(result)
        assert (goal["measured"], goal["holds"]) == (peak, holds)
        rows = report._program_rows(result)
        assert rows[0] == ["most memory of separate, one song to WAV", f"{peak:.0f} MB"]
        assert rows[1][1] == "465 MB"
