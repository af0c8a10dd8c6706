"""Inputs and outputs of graphs: what they are called, their sizes, and whether a spec fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamsep.errors import ModelError
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, OF_A_KIND, ModelSpec

FLOAT32, FLOAT16 = "tensor(float)", "tensor(float16)"


@dataclass(frozen=True, slots=True)
class GraphPort:
    """An input or output.

    Attributes
    ----------
    name
        As the graph calls it.
    kind
        As onnxruntime calls its type, e.g. ``"tensor(float)"``.
    shape
        Its sizes; a free one is a name or None.
    """

    name: str
    kind: str
    shape: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.kind} {self.shape}"


def ports_of(nodes: Sequence[Any]) -> list[GraphPort]:
    """Return what onnxruntime says of a session's inputs or outputs."""
    return [GraphPort(node.name, node.type, tuple(node.shape or ())) for node in nodes]


@dataclass(frozen=True, slots=True)
class FittingPorts:
    """The ports of a spec's features and estimate, with the sizes that they will have.

    Attributes
    ----------
    features, estimate
        Of every graph.
    spectra
        Input and output of what Demucs' network takes and gives besides.
    """

    features: GraphPort
    estimate: GraphPort
    spectra: tuple[GraphPort, GraphPort] | None = None


def fitting_ports(
    inputs: list[GraphPort], outputs: list[GraphPort], spec: ModelSpec
) -> FittingPorts:
    """Return which port is what.

    Raises
    ------
    ModelError
        If the graph isn't what the spec says.
    """
    if spec.spectrum_n_fft:
        sound_in, spectrum_in = (_of_rank(inputs, rank) for rank in (3, 4))
        sound_out, spectrum_out = (_of_rank(outputs, rank) for rank in (4, 5))
        planes = (1, *spec.spectrum_shape)
        stems = (1, len(spec.stems), *spec.spectrum_shape)
        return FittingPorts(
            *_foreign_ports(sound_in, sound_out, spec),
            (_fitting("input", spectrum_in, [planes]), _fitting("output", spectrum_out, [stems])),
        )
    if spec.feature in OF_A_KIND:
        inputs = _without(inputs, {state.input: state.shape for state in spec.states})
        outputs = _without(outputs, {state.output: state.shape for state in spec.states})
        return FittingPorts(*_foreign_ports(inputs, outputs, spec))
    wanted_in = {FEATURES_INPUT: spec.features_shape} | {s.input: s.shape for s in spec.states}
    wanted_out = {ESTIMATE_OUTPUT: spec.estimate_shape} | {s.output: s.shape for s in spec.states}
    for kind, wanted, ports in (("inputs", wanted_in, inputs), ("outputs", wanted_out, outputs)):
        found = {port.name: (port.kind, port.shape) for port in ports}
        if found != {name: (FLOAT32, shape) for name, shape in wanted.items()}:
            raise ModelError(
                f"the graph's {kind} are {describe_ports(ports)}",
                expected=f"float32 {', '.join(f'{n} {s}' for n, s in wanted.items())}",
                remedy="export the model again with 'python -m export onnx'",
            )
    return FittingPorts(
        GraphPort(FEATURES_INPUT, FLOAT32, spec.features_shape),
        GraphPort(ESTIMATE_OUTPUT, FLOAT32, spec.estimate_shape),
    )


def _without(ports: list[GraphPort], states: dict[str, tuple[int, ...]]) -> list[GraphPort]:
    """Return the ports that are no states, and see to it that all of these are there."""
    found = {p.name: p.shape for p in ports if p.name in states and p.kind == FLOAT32}
    if found != states:
        raise ModelError(
            f"the graph's ports are {describe_ports(ports)}",
            expected=f"states, float32 {', '.join(f'{n} {s}' for n, s in states.items())}",
            remedy="import the model again",
        )
    return [port for port in ports if port.name not in states]


def _of_rank(ports: list[GraphPort], rank: int) -> list[GraphPort]:
    return [port for port in ports if len(port.shape) == rank]


def _foreign_ports(
    inputs: list[GraphPort], outputs: list[GraphPort], spec: ModelSpec
) -> tuple[GraphPort, GraphPort]:
    """Return the only input and output, of any names, of sizes fixed or free."""
    features, estimate = spec.features_shape, spec.estimate_shape
    # MDX-Net's batch is where others have stems, of which it gives one.
    shapes = [(1, *features)] if spec.feature == "complex" else [(1, *features), features]
    taken = _fitting("input", inputs, shapes)
    batched = len(taken.shape) > len(features)
    both = [(1, *estimate), estimate] if batched else [estimate, (1, *estimate)]
    return taken, _fitting("output", outputs, both)


def _fitting(what: str, ports: list[GraphPort], shapes: list[tuple[int, ...]]) -> GraphPort:
    known = [port for port in ports if port.kind in (FLOAT32, FLOAT16)]
    fitting = [s for s in shapes if known and (not known[0].shape or _fits(known[0].shape, s))]
    if len(ports) != 1 or not fitting:
        raise ModelError(
            f"the graph's {what}s are {describe_ports(ports)}",
            expected=f"one {what}, float32 or float16, {' or '.join(map(str, shapes))}",
            remedy="import the model again with the parameters it was made with",
        )
    return GraphPort(ports[0].name, ports[0].kind, fitting[0])


def _fits(shape: tuple[object, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size == want or not isinstance(size, int) for size, want in zip(shape, wanted, strict=True)
    )


def describe_ports(ports: list[GraphPort]) -> str:
    """Return what a graph has, for an error."""
    return ", ".join(map(str, ports)) or "none"
