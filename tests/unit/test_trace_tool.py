"""tools/trace_live.py: what it makes of the times of calls, and a short trace of a real session."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "trace_live.py"
MS = 1_000_000
INFERENCE = ["analyse", "features", "network", "apply", "synthesise"]


@pytest.fixture
def trace_live(monkeypatch):
    monkeypatch.syspath_prepend(TOOL.parent)
    return import_module("trace_live")


def calls(begin_ms, took_ms, count, every_ms):
    """(2, N) of calls that come at a steady pace."""
    begun = (begin_ms + every_ms * np.arange(count)) * MS
    return np.array([begun, begun + took_ms * MS]).astype(np.int64)


def test_blocks_are_followed_through_both_rings(trace_live):
    """Blocks of 1 ms and hops of two; one is worked off within 0.5 ms, 0.1 ms after its wake."""
    times = {name: calls(0.0, 0.2, 40, 1.0) for name in ("callback",)}
    times |= {
        "feed": calls(0.01, 0.02, 40, 1.0),
        "take": calls(0.05, 0.02, 40, 1.0),
        "mix": calls(0.1, 0.05, 40, 1.0),
        "wake": calls(1.02, 0.0, 20, 2.0),
        "awake": calls(1.12, 0.5, 20, 2.0),
        "separate": calls(1.13, 0.4, 20, 2.0),
        "deliver": calls(1.55, 0.05, 20, 2.0),
    }
    times |= {name: calls(1.2, 0.06, 20, 2.0) for name in INFERENCE}
    rows = trace_live.rows(times, block=100, hop=200, lead=400)
    assert all(row["p50_ms"] <= row["p99_ms"] <= row["max_ms"] for row in rows)
    took = {row["step"]: row["p50_ms"] for row in rows}
    most = {row["step"]: row["max_ms"] for row in rows}
    assert took["from indata to outdata"] == pytest.approx(4.2)
    # The first block of a hop waits for the second one.
    assert most["waits in the input ring"] == pytest.approx(1.13)
    assert took["is separated"] == pytest.approx(0.47)
    assert most["waits in the output ring"] == pytest.approx(5.05 - 1.6)
    assert took["is mixed"] == pytest.approx(0.15)
    assert took["the inference thread wakes up"] == pytest.approx(0.1)
    assert took["block in and out, checks, levels"] == pytest.approx(0.2 - 0.09)
    assert took["delay, residual, checks"] == pytest.approx(0.1)


def test_probes_are_gone_afterwards(trace_live):
    before = [getattr(owner, name) for owner, name in trace_live.PROBES.values()]
    with trace_live.probes(1):
        assert [getattr(owner, name) for owner, name in trace_live.PROBES.values()] != before
    assert [getattr(owner, name) for owner, name in trace_live.PROBES.values()] == before


@pytest.mark.slow
def test_a_real_session_is_traced(tmp_path):
    path, document = tmp_path / "trace.json", tmp_path / "trace.md"
    document.write_text("<!-- trace -->\n<!-- end of trace -->\n")
    done = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            "--seconds",
            "2",
            "--server",
            "none",
            "--json",
            path,
            "--markdown",
            document,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    trace = json.loads(path.read_text())
    assert trace["wakes_per_hop"] < 1.2  # a callback may come before the thread has woken
    by_step = {row["step"]: row for row in trace["rows"]}
    assert by_step["the callback in all"]["count"] >= 2 * 44_100 // 512
    assert all(row["count"] > 50 and row["p50_ms"] >= 0 for row in trace["rows"])
    # The way through the rings takes what the report says, and the time of a callback.
    lead_ms = 1e3 * trace["lead"] / 44_100
    assert by_step["from indata to outdata"]["p50_ms"] == pytest.approx(lead_ms, rel=0.2)
    assert "| network | inference |" in document.read_text()
