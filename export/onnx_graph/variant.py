"""Variants of a model file: one graph, byte for byte, under another spec.

The graph sees features and gives masks; hop and window are the host's, and so is how many streams
frames are dealt out to. What differs between such variants is nothing but metadata.
"""

from __future__ import annotations

from pathlib import Path

from export.errors import VerificationError
from export.onnx_graph.load import load_onnx
from export.onnx_graph.write import kept_if_proven
from streamsep.spec import ModelSpec

# What a spec says of the host; all else is about the graph, or says where it comes from.
HOST_FIELDS = ("hop_length", "window", "interleave")
CARD_FIELDS = ("name", "licence", "training_data", "scores", "git_commit", "origin")


def read_spec(path: Path) -> ModelSpec:
    """Return the spec that a model file keeps.

    Raises
    ------
    ModelError
        When the file is missing, is no sound ONNX model, or carries no valid spec.
    """
    return ModelSpec.from_metadata({p.key: p.value for p in load_onnx(path).metadata_props})


def write_variant(source: Path, spec: ModelSpec, path: Path) -> None:
    """Write a model file's graph once more, under another spec.

    Parameters
    ----------
    source
        A model file, proven when it was exported: what is written computes the same.
    spec
        May differ from that of ``source`` in `HOST_FIELDS` and `CARD_FIELDS`.

    Raises
    ------
    ModelError
        As of `read_spec`.
    VerificationError
        When the spec is of another graph; what was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    own = read_spec(source)
    for name in ModelSpec.__dataclass_fields__.keys() - {*HOST_FIELDS, *CARD_FIELDS, "schema"}:
        if getattr(spec, name) != getattr(own, name):
            raise VerificationError(
                f"a variant of {source} would have the {name} {getattr(spec, name)}",
                expected=f"{getattr(own, name)}, as the graph has",
                remedy="export it from the checkpoint",
            )
    model = load_onnx(source)
    del model.metadata_props[:]
    for key, value in spec.to_metadata().items():
        model.metadata_props.add(key=key, value=value)
    with kept_if_proven(model, path):
        pass
