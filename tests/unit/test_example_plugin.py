"""The worked example of docs/plugins.md, installed by pip as anyone would, and run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from testing.signals import music
from tests.support.commands import Live, streamsep, without_sound

pytestmark = pytest.mark.slow  # pip installs first

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "plugins" / "bandcut"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Environment of a Python that has the example's package besides streamsep."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-build-isolation",
            "--no-deps",
            "--no-index",
            "--target",
            target,
            EXAMPLE,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    path = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))
    return without_sound() | {"PYTHONPATH": path, "COLUMNS": "200"}


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


def read(path):
    return sf.read(path, dtype="float32")[0]


def test_it_is_listed(installed):
    done = streamsep("models", "list", env=installed)
    (row,) = [row for row in done.stdout.splitlines() if row.startswith("band-cut")]
    # A block of 256 and 256 samples of delay.
    cells = " ".join(row.split())
    assert cells == "band-cut vocals, sides, rest 12 ms MIT streamsep-bandcut 1.0"
    assert streamsep("models", "verify", "band-cut", env=installed).returncode == 0


def test_its_stems_sum_to_the_song_and_live_plays_the_same(installed, song, tmp_path):
    done = streamsep("separate", song, "--model", "band-cut", env=installed)
    assert done.returncode == 0, done.stderr
    stems = {name: read(tmp_path / f"song.{name}.wav") for name in ("vocals", "sides", "rest")}
    # Three stems are rounded to 24 bits each.
    np.testing.assert_allclose(sum(stems.values()), read(song), atol=3 * 2.0**-23)
    assert min(np.std(stem) for stem in stems.values()) > 0.01
    np.testing.assert_allclose(stems["sides"], -stems["sides"][:, ::-1], atol=1e-6)
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        tmp_path / "live.wav",
        "--model",
        "band-cut",
        "--block",
        2048,
        "--slack",
        22_050,
        env=installed,
    ) as live:
        assert live.wait() == 0, live.stderr
    beat = stems["sides"] + stems["rest"]
    np.testing.assert_allclose(read(tmp_path / "live.wav"), beat, atol=4 * 2.0**-23)


def test_the_page_shows_what_is_installed():
    page = (ROOT / "docs" / "plugins.md").read_text()
    for name in ("pyproject.toml", "streamsep_bandcut.py"):
        assert (EXAMPLE / name).read_text() in page
