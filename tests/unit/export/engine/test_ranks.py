"""Training in two processes of torchrun: what one process learns of a batch twice as large."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from export.cli import main
from export.data.manifest import read_manifest
from export.engine.checkpoint import read_content

ROOT = Path(__file__).parents[4]
SONGS, STEPS = 7, 6  # one of them is held out: an epoch is three steps of two
# The command as it is, but that rank 1 is killed once, and that ranks keep what they draw.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from export.cli import main
from export.engine.fabric import restarted
from export.engine.training_step import TrainingStep
from export.recipes.tutorial import excerpts

seen = Path(sys.argv[1]) / os.environ["RANK"]
take, draw = TrainingStep.__call__, excerpts.ExcerptSampler.sample

def step(self, batch, number, rate):
    if number == 3 and os.environ["RANK"] == "1" and not restarted():
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, batch, number, rate)

def sample(self, number, position, batch_size):
    read = excerpts.read_excerpt
    def spy(folder, excerpt, stems):
        if batch_size > 1:
            with seen.open("a") as file:
                print(number, excerpt.track.id, file=file)
        return read(folder, excerpt, stems)
    excerpts.read_excerpt = spy
    try:
        return draw(self, number, position, batch_size)
    finally:
        excerpts.read_excerpt = read

TrainingStep.__call__, excerpts.ExcerptSampler.sample = step, sample
main(sys.argv[2:])
"""

# torchrun, but that ranks stay in this session, where they are as nice as whoever runs the tests:
# Linux shares the processor by sessions first, and what keeps time with a sound server is in ours.
LAUNCH = """
import subprocess
start = subprocess.Popen.__init__

def start_here(self, *arguments, start_new_session=False, **options):
    start(self, *arguments, **options, process_group=0 if start_new_session else None)

subprocess.Popen.__init__ = start_here
from torch.distributed.run import main
main()
"""


@pytest.fixture
def data(make_song: Callable[..., Path], tmp_path: Path) -> Path:
    """Songs of less than an excerpt's length: each gives one an epoch."""
    for number in range(SONGS):
        hz = {"vocals": 600 + 100 * number, "drums": 100 + 10 * number}
        songs = make_song(f"s{number}", seconds=2.0, **hz)
    out = tmp_path / "data"
    main(["prepare", "--songs", str(songs), "--out", str(out), "--valid", "songs-s0"])
    return out


def arguments(data: Path, out: Path, batch: int) -> list[str]:
    given = {"data": data, "out": out, "batch": batch, "steps": STEPS, "lr": 1e-3, "width": 0.01}
    given |= {"valid-every": 2, "valid-excerpts": 1, "threads": 1, "device": "cpu"}
    return ["train", *(text for name, value in given.items() for text in (f"--{name}", str(value)))]


@pytest.mark.slow
def test_two_ranks_one_of_them_killed_learn_what_one_does_of_twice_the_batch(
    data: Path, tmp_path: Path
) -> None:
    main(arguments(data, tmp_path / "one", batch=2))
    script, seen, out = tmp_path / "killed.py", tmp_path / "seen", tmp_path / "two"
    script.write_text(SCRIPT)
    seen.mkdir()
    launch = [sys.executable, "-c", LAUNCH, "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "--max-restarts=1", str(script), str(seen), *arguments(data, out, batch=1)],
        # Why: docs/training/howto.md.
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        },
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "exitcode: -9" in done.stderr
    assert done.stdout.count("best.pt, last.pt and curve.png") == 1
    assert {path.name for path in out.iterdir()} == {"best.pt", "last.pt", "curve.png"}
    one, two = (read_content(folder / "last.pt") for folder in (tmp_path / "one", out))
    assert [record["step"] for record in two["history"]] == [2, 4, 6]
    for name in ("train_loss", "valid_loss"):
        expected = [record[name] for record in one["history"]]
        # Sums of float32 in another order, 1e-7 of each, which Adam makes steps of where gradients
        # are next to none. Gradients of one rank alone are 1 % off after two steps.
        assert [record[name] for record in two["history"]] == pytest.approx(expected, rel=1e-4)
    _check_epochs(seen, {t.id for t in read_manifest(data) if t.split == "train"})


def _check_epochs(seen: Path, tracks: set[str]) -> None:
    """Check that in each epoch each track is one rank's, in both lives of the run."""
    draws = {
        (int(step), rank.name): track
        for rank in seen.iterdir()
        for step, track in (line.split() for line in rank.read_text().splitlines())
    }
    for first in range(0, STEPS, 3):
        epoch = [draws[step, rank] for step in range(first, first + 3) for rank in "01"]
        assert sorted(epoch) == sorted(tracks)
