"""Write a model file, but only one that passes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import onnx
from onnx import ModelProto

from export.to_onnx.half import halve
from export.to_onnx.int8 import quantize
from export.to_onnx.model import build_model
from export.to_onnx.verify import Array, Parity, verify
from export.training.checkpoint import Checkpoint
from streamsep.errors import OutputError
from streamsep.models.integrity import with_hash
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.self_test import run_self_test
from streamsep.spec import ModelSpec


def write_model(
    checkpoint: Checkpoint, spec: ModelSpec, path: Path, precision: str, wave: Array, steps: int
) -> Parity:
    """Export to a file and verify it; a file that fails is removed.

    Parameters
    ----------
    precision
        ``"fp32"``, ``"fp16"`` or ``"int8"``.
    wave, steps
        What to verify on, as in ``verify``.

    Raises
    ------
    VerificationError
        When the graph is beyond tolerance. What was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    model = in_precision(build_model(checkpoint, spec), precision)
    with kept_if_proven(model, path) as partial:
        parity = verify(partial, checkpoint, wave, steps)
        parity.check()
    return parity


def in_precision(model: ModelProto, precision: str) -> ModelProto:
    """Return a float32 graph in ``"fp32"``, ``"fp16"`` or ``"int8"``."""
    if precision == "fp16":
        return halve(model)
    return quantize(model) if precision == "int8" else model


@contextmanager
def kept_if_proven(model: ModelProto, path: Path) -> Iterator[Path]:
    """Write a model under another name; if nothing is raised over it, seal it and rename it.

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
