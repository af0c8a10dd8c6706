"""Write a model file, but only one that passes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import onnx
from onnx import ModelProto

from export.onnx_graph.fp16 import to_fp16
from export.onnx_graph.int8 import quantize
from streamsep.errors import OutputError
from streamsep.models.integrity import with_hash
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.self_test import run_self_test


def in_precision(model: ModelProto, precision: str) -> ModelProto:
    """Return a float32 graph in ``"fp32"``, ``"fp16"`` or ``"int8"``."""
    if precision == "fp16":
        return to_fp16(model)
    return quantize(model) if precision == "int8" else model


@contextmanager
def kept_if_proven(model: ModelProto, path: Path) -> Iterator[Path]:
    """Write a model under another name; if nothing is raised over it, seal it and rename it.

    Sealing adds the result of the host's self-test and a hash to its metadata.

    Yields
    ------
    Path
        The file under its other name, for whoever proves it.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with _told_by_us(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            onnx.save(model, partial)
        yield partial
        self_test = run_self_test(OnnxBackend(partial, device="cpu"))
        with _told_by_us(path):
            partial.write_bytes(with_hash(partial.read_bytes(), self_test))
            partial.replace(path)
    finally:
        with suppress(NotADirectoryError):  # where even the folder couldn't be made
            partial.unlink(missing_ok=True)


@contextmanager
def _told_by_us(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} can't be written ({error})",
            expected="a writable path",
            remedy="choose another --out",
        ) from error


def current_commit() -> str:
    """Return the commit of the clone this runs in, ``""`` where there is no git or no clone."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()
