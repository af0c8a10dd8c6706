"""Variants of a model file: one graph under another spec.

The graph sees features and gives masks; hop and window are the host's, and so is how many streams
frames are dealt out to. A variant's file holds such a spec and the name of the model beside it
whose graph it runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from onnx.helper import make_graph, make_model

from export.errors import VerificationError
from export.onnx_graph.load import load_onnx
from export.onnx_graph.write import kept_if_proven
from streamsep.spec import SCHEMA, ModelSpec

# What a spec says of the host; all else is about the graph, or says where it comes from.
HOST_FIELDS = ("hop_length", "window", "interleave", "prior", "multichannel_wiener")
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
    """Write a file that runs a model file's graph under another spec.

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
        When the spec is of another graph, or ``path`` isn't beside ``source``; what was there
        before is still there.
    OutputError
        When the file can't be written.
    """
    own = read_spec(source)
    if path.resolve().parent != source.resolve().parent or path.resolve() == source.resolve():
        raise VerificationError(
            f"{path} isn't beside {source}",
            expected="another file in the same folder: a variant has no graph of its own",
            remedy="choose another --out",
        )
    for name in ModelSpec.__dataclass_fields__.keys() - {
        *HOST_FIELDS,
        *CARD_FIELDS,
        "graph",
        "schema",
    }:
        if getattr(spec, name) != getattr(own, name):
            raise VerificationError(
                f"a variant of {source} would have the {name} {getattr(spec, name)}",
                expected=f"{getattr(own, name)}, as the graph has",
                remedy="export it from the checkpoint",
            )
    spec = replace(spec, graph=own.graph or source.stem, schema=SCHEMA)
    whole = load_onnx(source)
    model = make_model(
        make_graph([], spec.name, [], []),
        ir_version=whole.ir_version,
        opset_imports=whole.opset_import,
    )
    for key, value in spec.to_metadata().items():
        model.metadata_props.add(key=key, value=value)
    with kept_if_proven(model, path):
        pass
