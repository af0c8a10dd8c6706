"""Write a model file of the tutorial's network, but only one that passes."""

from __future__ import annotations

from pathlib import Path

from export.onnx_graph.write import in_precision, kept_if_proven
from export.recipes.tutorial.onnx_model import build_model
from export.recipes.tutorial.onnx_verify import Array, Parity, verify
from export.recipes.tutorial.trained_network import Checkpoint
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
