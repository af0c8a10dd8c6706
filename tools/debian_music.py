"""Fetch the vocal-free music of Debian's games that the built-in models hear in training.

    python tools/debian_music.py DIR [--only PACKAGE …]

What is fetched stands in debian_music.tsv, with its licence and who made it: 30 hours in 2.5 GB of
packages, none of which is installed. DIR gets a folder a package, and SOURCES.tsv for
'python -m export prepare --accompaniment DIR --sources DIR/SOURCES.tsv'. A package that is there
already isn't fetched again. Needs apt-get and dpkg-deb, and the package lists of Debian 12; another
release may lack some: that is said, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

TABLE = Path(__file__).with_suffix(".tsv")
WORK = ".fetching-"  # folders to work in


@dataclass(frozen=True)
class Piece:
    """One row of the table.

    Attributes
    ----------
    archive
        The zip file in the package that holds it; empty where none does.
    path
        In the archive, or in the package.
    """

    package: str
    archive: str
    path: str
    licence: str
    credit: str

    @property
    def file(self) -> Path:
        """Where it goes, below DIR; names alone come twice."""
        return Path(self.package, "-".join(Path(self.path).parts[-2:]))


def read_table(table: Path) -> list[Piece]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Piece(**{name: row[name] for name in Piece.__annotations__}) for row in rows]


def fetch(package: str, pieces: Sequence[Piece], into: Path) -> str | None:
    """Fetch a package and keep its pieces; return what went wrong, if something did."""
    with tempfile.TemporaryDirectory(dir=into, prefix=WORK) as folder:
        wrong = run(["apt-get", "download", "-qq", package], Path(folder))
        files = sorted(Path(folder).glob("*.deb"))
        return wrong or (keep(files[0], pieces, into / package) if files else "nothing came")


def keep(package: Path, pieces: Sequence[Piece], into: Path) -> str | None:
    """Put the pieces of a package's file into a new folder; return what went wrong, if anything."""
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=WORK) as folder:
        everything, kept = Path(folder, "all"), Path(folder, "kept")
        if wrong := run(["dpkg-deb", "-x", str(package.resolve()), str(everything)], Path(folder)):
            return wrong
        kept.mkdir()
        try:
            for piece, data in read(everything, pieces):
                (kept / piece.file.name).write_bytes(data)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            return f"it holds other files than the table says ({error})"
        kept.replace(into)  # whole or not at all
    return None


def read(root: Path, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
    for piece in pieces:
        if piece.archive:
            with zipfile.ZipFile(root / piece.archive) as archive:
                yield piece, archive.read(piece.path)
        else:
            yield piece, (root / piece.path).read_bytes()


def run(command: Sequence[str], folder: Path) -> str | None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip() or "failed").splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("into", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="PACKAGE", help="fetch no others")
    asked = parser.parse_args()
    if missing := [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]:
        parser.error(f"no {missing[0]} here: this needs Debian, or a system made from it")
    by_package: dict[str, list[Piece]] = {}
    for piece in read_table(TABLE):
        by_package.setdefault(piece.package, []).append(piece)
    if unknown := sorted(set(asked.only or ()) - by_package.keys()):
        parser.error(f"--only: no {', '.join(unknown)} in {TABLE.name}")
    asked.into.mkdir(parents=True, exist_ok=True)
    for left in asked.into.glob(f"{WORK}*"):  # by a run that was killed
        shutil.rmtree(left)
    wrong = {}
    for package in track(asked.only or list(by_package), "fetching"):
        if not (asked.into / package).exists():
            wrong[package] = fetch(package, by_package[package], asked.into)
    there = [p for ps in by_package.values() for p in ps if (asked.into / p.file).exists()]
    lines = ["file\trepo\tlicence\tcredit"]
    lines += [f"{p.file}\tDebian {p.package}\t{p.licence}\t{p.credit}" for p in there]
    (asked.into / "SOURCES.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for package, why in wrong.items():
        if why:
            print(f"{package}: {why}; run apt-get update, or leave it out", file=sys.stderr)
    print(f"{len(there)} pieces of {len({p.package for p in there})} packages in {asked.into}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
