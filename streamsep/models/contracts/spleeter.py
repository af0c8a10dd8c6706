"""Spleeter as sherpa-onnx has it: two graphs of magnitudes, which become one of masks.

Each graph takes ``x`` float32 (channels, windows, frames, bins), the magnitudes of the mixture from
0 to 11 kHz, and gives those of its stem. The mask of the vocals is v² / (v² + a²); above 11 kHz it
is that frame's mean over the bins below (Hennequin et al. 2020, "Spleeter", and its code).

The file made of both holds their nodes and weights, each under names of its own, and a few nodes
around them: it takes and gives what our graphs of masks do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamsep.errors import ModelError
from streamsep.models.onnx_edit import (
    Part,
    bytes_field,
    copied,
    fields_of,
    onnx_constant,
    onnx_node,
    onnx_port,
    text_field,
)
from streamsep.onnx_file import (
    ATTRIBUTES,
    GRAPH,
    GRAPH_VALUES,
    INITIALIZERS,
    METADATA,
    NODES,
    Message,
    mapped_file,
)
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, ModelSpec

SAMPLE_RATE, CHANNELS = 44_100, 2
N_FFT, HOP_LENGTH = 4_096, 1_024
FRAMES, BINS = 512, 1_024  # of a window
ALL_BINS = N_FFT // 2 + 1
EPSILON = 1e-10
OPSETS = 8  # of onnx.proto3's ModelProto
NAME, INPUTS, OUTPUTS = 2, 11, 12  # of its GraphProto
TENSOR_NAME = 8
NODE_NAMES = (1, 2, 3)  # inputs, outputs, its own
FLOAT32, FLOAT16 = 1, 10  # onnx's numbers of types


@dataclass(frozen=True, slots=True)
class SpleeterGraph:
    """One of the two.

    Attributes
    ----------
    path
        Its file, with its weights in it.
    takes, gives
        Names of its input and output.
    half
        Whether its input is float16.
    """

    path: Path
    takes: str
    gives: str
    half: bool


def is_spleeter(shape: tuple[object, ...]) -> bool:
    """Say whether an input of this shape is one of Spleeter's, [2, windows, 512, 1024]."""
    if len(shape) != 4 or shape[3] != BINS:  # MDX-Net's sizes may all be free
        return False
    return all(
        size == want or not isinstance(size, int)
        for size, want in ((shape[0], CHANNELS), (shape[2], FRAMES))
    )


def spleeter_spec(name: str, *, origin: str, licence: str) -> ModelSpec:
    """Return the spec of what `joined_graphs` makes."""
    return ModelSpec(
        name=name,
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        stems=("vocals",),
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        window="hann",
        feature="magnitude",
        output="mask",
        mode="sliding",
        frames_per_run=FRAMES,
        stride_frames=1,
        lookahead_frames=0,
        licence=licence,
        origin=origin,
    )


def joined_graphs(vocals: SpleeterGraph, accompaniment: SpleeterGraph) -> list[Part]:
    """Return the parts of one model file made of both.

    Raises
    ------
    ModelError
        If they can't be joined.
    """
    contents = {"vocals": vocals, "accompaniment": accompaniment}
    body: list[Part] = []
    for prefix, graph in contents.items():
        body += _renamed(graph.path, prefix)
    heads = [_head(graph.path) for graph in contents.values()]
    if _opsets(heads[0]) != _opsets(heads[1]):
        raise ModelError(
            f"{vocals.path.name} and {accompaniment.path.name} use different versions of operators",
            expected="two files that were exported together",
            remedy="get both from one place",
        )
    whole = [text_field(NAME, "spleeter"), _before(contents), *body, _after(contents)]
    return [*heads[0], *bytes_field(GRAPH, whole)]


def _head(path: Path) -> list[Part]:
    """Return a model without its graph and metadata."""
    return copied(mapped_file(path), lambda n, _: () if n in (GRAPH, METADATA) else None)


def _opsets(head: list[Part]) -> list[bytes]:
    whole = memoryview(b"".join(head))
    return sorted(bytes(v) for n, v in fields_of(whole) if n == OPSETS and isinstance(v, Message))


def _renamed(path: Path, prefix: str) -> list[Part]:
    """Return a graph's nodes and weights, all names beginning with a prefix."""

    def named(number: int, value: object) -> list[Part] | None:
        assert isinstance(value, Message)
        return [f"{prefix}/".encode(), value] if len(value) else None

    def node(number: int, value: object) -> list[Part] | None:
        if number in NODE_NAMES:
            return named(number, value)
        attribute = value if number == ATTRIBUTES and isinstance(value, Message) else Message(b"")
        if any(n in GRAPH_VALUES for n, _ in fields_of(attribute)):
            raise ModelError(
                f"{path} has branches or loops",
                expected="a graph of plain layers, as Spleeter's are",
                remedy="get the two files that sherpa-onnx ships",
            )
        return None

    def of_graph(number: int, value: object) -> list[Part] | tuple[()]:
        if number == NODES and isinstance(value, Message):
            return copied(value, node)
        if number == INITIALIZERS and isinstance(value, Message):
            return copied(value, lambda n, v: named(n, v) if n == TENSOR_NAME else None)
        return ()

    for number, value in fields_of(mapped_file(path)):
        if number == GRAPH and isinstance(value, Message):
            return copied(value, of_graph)
    return []


def _before(graphs: dict[str, SpleeterGraph]) -> bytes:
    """Return the input, and what makes the graphs' own of it.

    Operators and attributes here and in `_after` mean the same in every version that has them.
    """
    takes = [
        onnx_node("Cast", ["x"], f"{prefix}/{graph.takes}", to=FLOAT16 if graph.half else FLOAT32)
        for prefix, graph in graphs.items()
    ]
    return b"".join(
        [
            onnx_port(INPUTS, FEATURES_INPUT, (CHANNELS, ALL_BINS, FRAMES)),
            _integers("bins", *range(BINS)),
            _integers("windowed", CHANNELS, -1, FRAMES, BINS),
            onnx_node("Gather", [FEATURES_INPUT, "bins"], "low", axis=1),
            onnx_node("Transpose", ["low"], "frames_first", perm=(0, 2, 1)),
            onnx_node("Reshape", ["frames_first", "windowed"], "x"),
            *takes,
        ]
    )


def _after(graphs: dict[str, SpleeterGraph]) -> bytes:
    """Return what makes masks of the graphs' magnitudes, and the output."""
    powers = [
        node
        for prefix, graph in graphs.items()
        for node in (
            onnx_node("Cast", [f"{prefix}/{graph.gives}"], prefix, to=FLOAT32),
            onnx_node("Mul", [prefix, prefix], f"{prefix}_power"),
        )
    ]
    vocals, accompaniment = (f"{prefix}_power" for prefix in graphs)
    return b"".join(
        [
            onnx_constant("epsilon", np.array(EPSILON, np.float32)),
            onnx_constant("half_epsilon", np.array(EPSILON / 2, np.float32)),
            *powers,
            onnx_node("Add", [vocals, accompaniment], "power"),
            onnx_node("Add", ["power", "epsilon"], "whole"),
            onnx_node("Add", [vocals, "half_epsilon"], "part"),
            onnx_node("Div", ["part", "whole"], "mask"),
            # A frame's mean, as one bin more, stands for all those above.
            _integers("framed", CHANNELS, FRAMES, BINS),
            _integers("pooled", CHANNELS * FRAMES, 1, BINS),
            _integers("mean_row", CHANNELS, 1, FRAMES),
            _integers("rows", *(min(row, BINS) for row in range(ALL_BINS))),
            _integers("estimate_shape", 1, CHANNELS, ALL_BINS, FRAMES),
            onnx_node("Reshape", ["mask", "framed"], "mask_frames"),
            onnx_node("Transpose", ["mask_frames"], "mask_bins", perm=(0, 2, 1)),
            onnx_node("Reshape", ["mask", "pooled"], "mask_rows"),
            onnx_node("GlobalAveragePool", ["mask_rows"], "means"),
            onnx_node("Reshape", ["means", "mean_row"], "treble"),
            onnx_node("Concat", ["mask_bins", "treble"], "mask_and_mean", axis=1),
            onnx_node("Gather", ["mask_and_mean", "rows"], "all_bins", axis=1),
            onnx_node("Reshape", ["all_bins", "estimate_shape"], ESTIMATE_OUTPUT),
            onnx_port(OUTPUTS, ESTIMATE_OUTPUT, (1, CHANNELS, ALL_BINS, FRAMES)),
        ]
    )


def _integers(name: str, *values: int) -> bytes:
    return onnx_constant(name, np.array(values, np.int64))
