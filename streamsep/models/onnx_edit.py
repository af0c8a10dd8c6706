"""ONNX files changed as data: a message is copied field by field, but for what is to be changed.

No weights are copied on the way: a changed message is a list of parts, most of them parts of the
file that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from streamsep.onnx_file import BYTES, VARINT, Message, message_field, varint_bytes

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
