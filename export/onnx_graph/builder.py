"""A thin hand on ``onnx.helper``: nodes by function call, every value named once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    helper,
    numpy_helper,
)

OPSET = 18
# The lowest that has every operator of opset 18: old runtimes refuse newer ones.
IR_VERSION = 8
RUNTIME = "com.microsoft"  # the domain of onnxruntime's own operators

Shape = Sequence[int | str]


class GraphBuilder:
    """Collects nodes and constants and makes a checked model of them.

    Values are strings, the names of tensors in the graph.

    Parameters
    ----------
    outer
        Of the graph that this one is a part of, by an `If` or `Scan`; keeps the constants of both.
    name
        The part's; names of its values begin with it.
    """

    def __init__(self, outer: GraphBuilder | None = None, name: str = "") -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = outer._constants if outer else {}
        self._name = name

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a constant once; a second call with its name returns the first."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *values: int) -> str:
        """Return a constant int64 vector."""
        return self.constant("int_" + "_".join(map(str, values)), np.array(values, np.int64))

    def node(
        self,
        operator: str,
        *inputs: str,
        out: str | None = None,
        outputs: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """Add a node and return its first output; ``outputs`` names those that follow it."""
        name = out or f"{self._name}{operator.lower()}_{len(self._nodes)}"
        names = [name, *outputs]
        self._nodes.append(
            helper.make_node(operator, list(inputs), names, name=f"node_{name}", **attributes)
        )
        return name

    def split(self, value: str, parts: int, axis: int) -> list[str]:
        """Cut a value into equal parts."""
        names = [f"{self._name}split_{len(self._nodes)}_{i}" for i in range(parts)]
        self._nodes.append(
            helper.make_node(
                "Split", [value], names, name=f"node_{names[0]}", axis=axis, num_outputs=parts
            )
        )
        return names

    def concat(self, *values: str, axis: int = 1, out: str | None = None) -> str:
        """Lay values side by side."""
        return self.node("Concat", *values, out=out, axis=axis)

    def take(
        self,
        value: str,
        start: int,
        stop: int,
        step: int = 1,
        *,
        axis: int = 1,
        out: str | None = None,
    ) -> str:
        """Slice along one axis."""
        ints = self.integers
        return self.node("Slice", value, ints(start), ints(stop), ints(axis), ints(step), out=out)

    def part(
        self, inputs: Sequence[tuple[str, Shape]], outputs: Sequence[tuple[str, Shape]]
    ) -> GraphProto:
        """Return what an `If` chooses or a `Scan` repeats, float32 in and out."""
        return helper.make_graph(self._nodes, self._name, _values(inputs), _values(outputs))

    def build(
        self,
        name: str,
        inputs: Sequence[tuple[str, Shape]],
        outputs: Sequence[tuple[str, Shape]],
        metadata: dict[str, str],
    ) -> ModelProto:
        """Return the model, float32 in and out; sizes that are names are free.

        Raises
        ------
        onnx.checker.ValidationError
            When the graph isn't sound; a bug of ours.
        """
        graph = helper.make_graph(
            self._nodes, name, _values(inputs), _values(outputs), list(self._constants.values())
        )
        domains = {"": OPSET} | {node.domain: 1 for node in self._nodes if node.domain}
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*pair) for pair in domains.items()],
            ir_version=IR_VERSION,
            producer_name="streamsep",
        )
        helper.set_model_props(model, metadata)
        checker.check_model(model, full_check=True)
        return model


def _values(pairs: Sequence[tuple[str, Shape]]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in pairs]
