"""``tools/cases.py``: it has rows of every class, and says which are wrong."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cases(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return import_module("cases")


def test_there_are_rows_of_every_class(cases):
    assert {row.number for row in cases.ROWS} == set(range(1, 18))
    assert len({(row.number, row.what) for row in cases.ROWS}) == len(cases.ROWS)


@pytest.mark.slow
def test_a_row_is_run_and_judged():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "cases.py", "6", "--match", "inspect"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    row, total = done.stdout.splitlines()
    assert row.startswith(" 6  right  inspect --start nan: exit 2; ")
    assert (total, done.returncode) == ("1 right, 0 wrong", 0)


def test_a_wrong_one_and_one_that_can_t_be_judged_fail(cases, monkeypatch, capsys):
    def breaks(place):
        raise ValueError("no\nffmpeg")

    row = import_module("failed_inputs.table").Row
    rows = [row(1, "wrong", lambda place: (False, "3 s")), row(2, "breaks", breaks)]
    monkeypatch.setattr(cases, "ROWS", rows)
    monkeypatch.setattr(sys, "argv", ["cases.py"])
    with pytest.raises(SystemExit, match="1"):
        cases.main()
    assert capsys.readouterr().out.splitlines() == [
        " 1  WRONG  wrong: 3 s",
        " 2  WRONG  breaks: ValueError: no ffmpeg",
        "0 right, 2 wrong",
    ]
