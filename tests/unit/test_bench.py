"""tools/bench.py: real contenders in short rounds; the record, its invariants and the document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamsep.models import find_model
from tools.benchmark.graphs import GRAPHS

TOOL = Path(__file__).parents[2] / "tools" / "bench.py"
CONTENDERS = ["live", "center-cut", "htdemucs"]
DOCUMENT = "before\n<!-- bench -->\nyesterday's table\n<!-- end of bench -->\nafter\n"


def bench(*arguments, env=None) -> str:
    done = subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        env=(env or os.environ) | {"COLUMNS": "200"},  # as wide as the table
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The record of a quick run in which one contender isn't installed."""
    folder = tmp_path_factory.mktemp("bench")
    absent = folder / "absent" / "demucs.py"
    absent.parent.mkdir()
    absent.write_text("raise ModuleNotFoundError('no demucs', name='demucs')\n")
    env = os.environ | {"PYTHONPATH": str(absent.parent)}
    path = folder / "figures.json"
    only = ",".join([*CONTENDERS, "help"])
    bench(
        "--quick",
        "--rounds",
        "2",
        "--only",
        only,
        "--json",
        path,
        "--note",
        "A test ran it.",
        env=env,
    )
    return path


@pytest.fixture(scope="module")
def record(recorded):
    return json.loads(recorded.read_text())


@pytest.mark.slow
def test_the_times_of_a_contender_are_in_order(record):
    assert [row["name"] for row in record["contenders"]] == CONTENDERS
    for row in record["contenders"][:2]:
        times = [row[f"{name}_ms"] for name in ("p50", "p90", "p99", "p999", "max")]
        assert times[0] > 0
        assert times == sorted(times)
        assert row["steps"] >= 2
        assert row["first_ms"] > 0
        assert row["cpu_share"] > 0
        # Python with numpy, and no second copy of anything large.
        assert 20 < row["peak_mb"] < 2_000
        assert 0 <= row["misses"] <= row["paced_blocks"]
        assert row["paced_blocks"] >= 1


@pytest.mark.slow
def test_ratios_are_those_of_the_same_rounds(record):
    live, cut = record["contenders"][:2]
    assert live["ratio"] == 1.0
    # One core each: by what the processor did, whatever else it had to do.
    pairs = zip(cut["round_cpu_factors"], live["round_cpu_factors"], strict=True)
    ratios = [mine / theirs for mine, theirs in pairs]
    assert min(ratios) <= cut["ratio"] <= max(ratios)
    # A filter against a network with both their transforms: no load turns that around.
    assert cut["ratio"] < 1.0
    for row in (live, cut):
        for spent, taken in zip(row["round_cpu_factors"], row["round_factors"], strict=True):
            assert 0 < spent < 1.5 * taken  # one thread: the rest is what reading clocks takes
        assert min(row["round_factors"]) <= row["real_time_factor"] <= max(row["round_factors"])


@pytest.mark.slow
def test_what_is_not_installed_is_said_and_has_no_figures(record):
    missing = record["contenders"][2]
    assert missing["unavailable"] == "not installed: demucs"
    assert set(missing) == {"name", "unavailable"}


@pytest.mark.slow
def test_the_record_says_where_it_was_made_and_which_goals_hold(record):
    about = record["about"]
    assert about["versions"]["numpy"]
    assert about["machine"]["cores"] == os.cpu_count()
    assert about["quick"] is True
    assert about["note"] == "A test ran it."
    goals = {goal["what"]: goal for goal in record["goals"]}
    live = record["contenders"][0]
    assert goals["a paced hop of live, p99"]["measured"] == live["paced_p99_ms"] > 0
    assert goals["live and its prior, paced"]["measured"] == 100 * live["cpu_share"]
    goal = goals["streamsep --help"]
    assert goal["measured"] == record["program"]["help"]["help_s"] > 0
    assert goal["holds"] == (goal["measured"] <= 0.3)


@pytest.mark.slow
def test_document_and_chart_come_from_the_records(recorded, tmp_path):
    record = json.loads(recorded.read_text())
    document, chart = tmp_path / "bench.md", tmp_path / "bench.png"
    document.write_text(DOCUMENT)
    more = tmp_path / "more.json"
    start = {"contenders": [], "program": {"start": {"first_sound_s": 2.5}}}
    more.write_text(json.dumps(record | start))
    shown = bench("--from", recorded, more, "--markdown", document, "--chart", chart)
    text = document.read_text()
    assert text.startswith("before\n<!-- bench -->\n")
    assert text.endswith("\n<!-- end of bench -->\nafter\n")
    assert "yesterday" not in text
    factor = f"{record['contenders'][0]['real_time_factor']:.2g}"
    row = next(line for line in text.splitlines() if line.startswith("| live ("))
    assert f" {factor} |" in row
    assert "| GPU |" not in text  # of one that there isn't
    assert "| start to first sound | ≤ 1 s | 2.5 s | **no** |" in text
    assert "| streamsep --help |" in text
    assert "not installed: demucs" in text
    assert "not installed: demucs" in shown
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "On a GPU" not in text


@pytest.mark.slow
def test_figures_of_a_gpu_stand_beside_those_of_the_processor_and_in_a_table(recorded, tmp_path):
    record = json.loads(recorded.read_text())
    there = dict(record["contenders"][0], provider="CUDA", real_time_factor=0.0123, p99_ms=0.456)
    elsewhere = record["contenders"][1]  # what ran on the processor after all
    gpu, document = tmp_path / "gpu.json", tmp_path / "bench.md"
    gpu.write_text(json.dumps(record | {"contenders": [there, elsewhere]}))
    document.write_text(DOCUMENT)
    bench("--from", recorded, "--gpu", gpu, "--markdown", document)
    before, after = document.read_text().split("### On a GPU")
    rows = {line.split()[1]: line for line in before.splitlines() if line.startswith("| ")}
    assert rows["live"].endswith("| 0.012 |")
    assert rows["center-cut"].endswith("| not measured |")
    (row,) = (line for line in after.splitlines() if line.startswith("| live |"))
    assert " 0.46 |" in row
    assert "center-cut" not in after


@pytest.mark.slow
def test_the_live_network_is_as_large_as_the_built_in_one():
    size = find_model("light").stat().st_size
    # The weights are others, and a file says more of itself.
    assert GRAPHS["live-fp32"]().ByteSize() == pytest.approx(size, rel=0.01)
