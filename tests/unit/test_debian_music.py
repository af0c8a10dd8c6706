"""tools/debian_music.py: its table, and what it keeps of a real package."""

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import debian_music
from debian_music import Piece

from export.data.sources import read_licences

# Those that may become weights under GPL-3.0-or-later: neither GPL-2 only nor anything NC or ND.
LICENCES = {
    "BSD-2-Clause",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-3.0+",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "GPL (no version)",
    "GPL-2+",
    "GPL-3+",
    "MIT",
    "public-domain",
}


def test_every_piece_has_a_place_of_its_own_an_author_and_a_licence_that_fits():
    pieces = debian_music.read_table(debian_music.TABLE)
    assert len({piece.file for piece in pieces}) == len(pieces) > 500
    assert {piece.licence for piece in pieces} <= LICENCES
    assert all(piece.credit for piece in pieces)
    with debian_music.TABLE.open(encoding="utf-8", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file, delimiter="\t")]
    assert min(seconds) > 10


@pytest.fixture
def package(tmp_path):
    """A package with a sound, a zip file that holds another, and something else."""
    root = tmp_path / "tree"
    music = root / "usr/share/games/toy/music"
    music.mkdir(parents=True)
    (music / "theme.ogg").write_bytes(b"a theme")
    (music / "picture.png").write_bytes(b"a picture")
    with zipfile.ZipFile(root / "usr/share/games/toy/data.pk3", "w") as archive:
        archive.writestr("sound/theme.ogg", b"another theme")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: toy-data\nVersion: 1\nArchitecture: all\nMaintainer: M <m@example.org>\n"
        "Description: toy\n"
    )
    path = tmp_path / "toy-data_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(root), str(path)], check=True, capture_output=True)
    return path


GAMES = "usr/share/games/toy"
PIECES = [
    Piece("toy-data", "", f"{GAMES}/music/theme.ogg", "MIT", "A"),
    Piece("toy-data", f"{GAMES}/data.pk3", "sound/theme.ogg", "MIT", "B"),
]


def test_the_pieces_of_the_table_are_kept_and_nothing_else(package, tmp_path):
    into = tmp_path / "out" / "toy-data"
    into.parent.mkdir()
    assert debian_music.keep(package, PIECES, into) is None
    kept = {path.name: path.read_bytes() for path in into.iterdir()}
    assert kept == {"music-theme.ogg": b"a theme", "sound-theme.ogg": b"another theme"}
    assert list(into.parent.iterdir()) == [into]  # nothing of what it worked in


@pytest.mark.parametrize(
    "missing",
    [
        Piece("toy-data", "", f"{GAMES}/music/gone.ogg", "MIT", "A"),
        Piece("toy-data", f"{GAMES}/data.pk3", "sound/gone.ogg", "MIT", "A"),
        Piece("toy-data", f"{GAMES}/music/theme.ogg", "sound/theme.ogg", "MIT", "A"),
    ],
)
def test_a_package_of_other_files_is_said_so_and_leaves_nothing(package, tmp_path, missing):
    into = tmp_path / "out" / "toy-data"
    into.parent.mkdir()
    wrong = debian_music.keep(package, [*PIECES, missing], into)
    assert wrong.startswith("it holds other files than the table says")
    assert list(into.parent.iterdir()) == []


def test_an_unknown_package_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, debian_music.__file__, str(tmp_path), "--only", "nothing-data"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no nothing-data in debian_music.tsv" in done.stderr


def test_what_is_there_is_listed_and_what_a_killed_run_left_is_cleared_away(tmp_path):
    piece = next(p for p in debian_music.read_table(debian_music.TABLE) if p.package == "zaz-data")
    left = tmp_path / f"{debian_music.WORK}x" / "all" / "half.ogg"
    for file in (tmp_path / piece.file, left):
        file.parent.mkdir(parents=True)
        file.touch()
    done = subprocess.run(
        [sys.executable, debian_music.__file__, str(tmp_path), "--only", "zaz-data"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "1 pieces of 1 packages" in done.stdout  # it wasn't fetched: there would be more
    assert not left.exists()
    sources = read_licences(tmp_path / "SOURCES.tsv")
    assert sources == {(tmp_path / piece.file).resolve(): ("Debian zaz-data", piece.licence)}
