"""Write a model file, but only one that passes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import onnx

from export.to_onnx.int8 import quantize
from export.to_onnx.model import build_model
from export.to_onnx.verify import Array, Parity, verify
from export.training.checkpoint import Checkpoint
from streamsep.errors import OutputError
from streamsep.spec import ModelSpec


def write_model(
    checkpoint: Checkpoint, spec: ModelSpec, path: Path, precision: str, wave: Array, steps: int
) -> Parity:
    """Export to a file and verify it; a file that fails is removed.

    Parameters
    ----------
    precision
        ``"fp32"`` or ``"int8"``.
    wave, steps
        What to verify on, as in ``verify``.

    Raises
    ------
    VerificationError
        When the graph is beyond tolerance. What was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    model = build_model(checkpoint, spec)
    if precision == "int8":
        model = quantize(model)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, partial)
    except OSError as error:
        raise OutputError(f"{path} can't be written ({error})", expected="a writable path",
                          remedy="choose another --out") from error  # fmt: skip
    try:
        parity = verify(partial, checkpoint, wave, steps)
        parity.check()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return parity


def current_commit() -> str:
    """Return the commit of the clone this runs in, ``""`` where there is no git or no clone."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()
