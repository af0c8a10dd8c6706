"""ONNX files changed as data: a message is copied field by field, but for what is to be changed.

No weights are copied on the way: a changed message is a list of parts, most of them parts of the
file that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from streamsep.onnx_file import (
    ATTRIBUTES,
    BYTES,
    INITIALIZERS,
    NODES,
    VARINT,
    Message,
    message_field,
    varint_bytes,
)

Part = bytes | Message
# What becomes of a field: None, it stays; a list, its content; a tuple, nothing of it is left.
Change = Callable[[int, Message | int | None], "list[Part] | tuple[()] | None"]


def copied(message: Message, change: Change) -> list[Part]:
    """Return the parts of a message whose fields are kept, changed or left out one by one.

    Raises
    ------
    ValueError
        If it isn't protobuf.
    """
    parts: list[Part] = []
    kept = position = 0
    while position < len(message):
        number, value, end = message_field(message, position)
        changed = change(number, value)
        if changed is not None:
            parts.append(message[kept:position])
            if isinstance(changed, list):
                parts += bytes_field(number, changed)
            kept = end
        position = end
    return [*parts, message[kept:]]


def bytes_field(number: int, parts: Iterable[Part]) -> list[Part]:
    """Return the parts of a field that is a text, bytes or a message."""
    parts = list(parts)
    size = sum(map(len, parts))
    return [varint_bytes(number << 3 | BYTES) + varint_bytes(size), *parts]


def integer_field(number: int, value: int) -> bytes:
    """Return a field that is an integer of 0 or more."""
    return varint_bytes(number << 3 | VARINT) + varint_bytes(value)


def fields_of(message: Message) -> Iterator[tuple[int, Message | int | None]]:
    """Yield number and value of each field; None for those of fixed length."""
    position = 0
    while position < len(message):
        number, value, position = message_field(message, position)
        yield number, value


def text_field(number: int, text: str) -> bytes:
    """Return a field that is a text."""
    return _whole(number, text.encode())


def _whole(number: int, content: bytes) -> bytes:
    return b"".join(bytes_field(number, [content]))


def onnx_node(operator: str, inputs: Iterable[str], output: str, **attributes: object) -> bytes:
    """Return a node as a field of a graph; attributes are integers or lists of them."""
    node = b"".join(text_field(1, name) for name in inputs)
    node += text_field(2, output) + text_field(4, operator)
    for name, value in attributes.items():
        attribute = text_field(1, name)
        if isinstance(value, int):
            attribute += integer_field(3, value) + integer_field(20, 2)
        else:
            assert isinstance(value, Iterable)
            attribute += b"".join(integer_field(8, each) for each in value) + integer_field(20, 7)
        node += _whole(ATTRIBUTES, attribute)
    return _whole(NODES, node)


def onnx_constant(name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    """Return a constant, float32 or int64, as a field of a graph."""
    kind = {"float32": 1, "int64": 7}[array.dtype.name]
    tensor = b"".join(integer_field(1, size) for size in array.shape)
    tensor += integer_field(2, kind) + text_field(8, name)
    tensor += _whole(9, array.tobytes())
    return _whole(INITIALIZERS, tensor)


def onnx_port(number: int, name: str, shape: Iterable[int]) -> bytes:
    """Return an input (11) or output (12), float32 of fixed sizes, as a field of a graph."""
    sizes = b"".join(_whole(1, integer_field(1, size)) for size in shape)
    tensor = integer_field(1, 1) + _whole(2, sizes)
    kind = _whole(1, tensor)
    port = text_field(1, name) + _whole(2, kind)
    return _whole(number, port)
