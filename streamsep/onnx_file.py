"""An ONNX file as data: read before onnxruntime sees it, refused if it wants more than to be data.

Only the protobuf wire format is needed for that, so nothing has to be installed. What is refused:
weights outside the file (a path that a file chooses), operators that aren't onnxruntime's own,
and sizes that no model has.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from streamsep.errors import ModelError

MAX_FILE_BYTES = 2**30
MAX_TENSOR_ELEMENTS = 2**28
MAX_DEPTH = 16
MAX_AXES = 64
# Fields of all messages together, which take about two seconds to look at. A graph of 10,000
# nodes, many for a model, has some hundred thousand.
MAX_FIELDS = 2_000_000
MAX_TEXT_BYTES = 2**24  # of an entry of the metadata
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")

# Field numbers of onnx.proto3.
GRAPH, METADATA, FUNCTIONS = 7, 14, 25
NODES, INITIALIZERS, SPARSE_INITIALIZERS = 1, 5, 15
ATTRIBUTES, DOMAIN = 5, 7
TENSOR_VALUES, GRAPH_VALUES, SPARSE_VALUES = (5, 10), (6, 11), (22, 23)
DIMS, EXTERNAL_DATA, DATA_LOCATION = 1, 13, 14
# How archives begin, and pickles of the protocols since Python 2.3.
PICKLES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types

Message = memoryview


def read_metadata(path: Path) -> dict[str, str]:
    """Return the ``metadata_props`` of a model file that is fit to be loaded.

    Raises
    ------
    ModelError
        If it is missing, isn't ONNX, or wants more than to be data.
    """
    content = mapped_file(path)
    try:
        return _read_model(content)
    except ValueError as error:
        if bytes(content[:2]) in PICKLES:
            raise ModelError(
                f"{path} is a pickle or an archive with one, as torch.save writes them",
                expected="an ONNX file, which is data: loading a pickle may run any code",
                remedy="get the model as ONNX, from those who made it",
            ) from error
        raise ModelError(
            f"{path} can't be loaded as a model ({error})",
            expected="an ONNX file exported for streamsep",
            remedy="check the path, or export it again with 'python -m export onnx'",
        ) from error
    except _UnfitError as error:
        raise ModelError(
            f"{path} {error}",
            expected="one file that holds the whole model and nothing but onnxruntime's operators",
            remedy=error.remedy,
        ) from error


def metadata_entry(key: str, value: str) -> bytes:
    """Return what adds an entry to ``metadata_props`` when appended to a model file.

    Repeated fields of a protobuf message merge when messages are joined, so the model needn't
    be parsed to be given metadata.
    """
    entry = _text(1, key) + _text(2, value)
    return varint_bytes(METADATA << 3 | BYTES) + varint_bytes(len(entry)) + entry


def metadata_start(path: Path) -> int:
    """Return how long a model file is without the ``metadata_props`` at its end.

    Raises
    ------
    ModelError
        If it is missing, isn't ONNX, or wants more than to be data.
    """
    read_metadata(path)
    content = mapped_file(path)
    position = end = 0
    while position < len(content):
        number, _, position = message_field(content, position)
        if number != METADATA:
            end = position
    return end


class _UnfitError(Exception):
    """A model that could be loaded and must not be."""

    remedy = "get the model in another form, or from someone you trust"


class _ScatteredError(_UnfitError):
    """A model that isn't in one file."""

    remedy = "with its other files beside it, take it in with 'streamsep models import'"


def mapped_file(path: Path) -> Message:
    """Return a model file's content, not read yet.

    Raises
    ------
    ModelError
        If it is missing, unreadable, empty or too large.
    """
    if not os.path.isfile(path):
        raise ModelError(
            f"no model file at {path}",
            expected="an ONNX file",
            remedy="check the name, or choose one of 'streamsep models list'",
        )
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not 0 < size <= MAX_FILE_BYTES:
                raise OSError(0, f"{size} bytes")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise ModelError(
            f"{path} can't be loaded as a model ({error.strerror})",
            expected="an ONNX file exported for streamsep, "
            f"readable and of at most {MAX_FILE_BYTES} bytes",
            remedy="check the path, or export it again with 'python -m export onnx'",
        ) from error


def _read_model(model: Message) -> dict[str, str]:
    metadata, graphs, effort = {}, 0, _Effort()
    for number, value in _messages(model, effort):
        if number == GRAPH:
            _check_graph(value, 0, effort)
            graphs += 1
        elif number == METADATA:
            if len(value) > MAX_TEXT_BYTES:
                raise _UnfitError(f"has an entry of {len(value)} bytes in its metadata")
            texts = {n: bytes(text).decode() for n, text in _messages(value, effort)}
            metadata[texts.get(1, "")] = texts.get(2, "")
        elif number == FUNCTIONS:
            raise _UnfitError("has functions of its own")
    if not graphs:
        raise ValueError("no graph in it")
    return metadata


class _Effort:
    """How much of a file was looked at: a small one may be all fields, and a large one endless."""

    def __init__(self) -> None:
        self._fields = 0

    def spend(self) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise _UnfitError(f"has more than {MAX_FIELDS} parts")


def _check_graph(graph: Message, depth: int, effort: _Effort) -> None:
    if depth > MAX_DEPTH:
        raise _UnfitError(f"has graphs more than {MAX_DEPTH} deep")
    for number, value in _messages(graph, effort):
        if number == NODES:
            _check_node(value, depth, effort)
        elif number == INITIALIZERS:
            _check_tensor(value, effort)
        elif number == SPARSE_INITIALIZERS:
            raise _UnfitError("has sparse weights")


def _check_node(node: Message, depth: int, effort: _Effort) -> None:
    for number, value in _messages(node, effort):
        if number == DOMAIN and bytes(value).decode() not in DOMAINS:
            raise _UnfitError(f"has operators of the domain {bytes(value[:80]).decode()!r}")
        if number != ATTRIBUTES:
            continue
        for kind, attribute in _messages(value, effort):
            if kind in TENSOR_VALUES:
                _check_tensor(attribute, effort)
            elif kind in GRAPH_VALUES:
                _check_graph(attribute, depth + 1, effort)
            elif kind in SPARSE_VALUES:
                raise _UnfitError("has sparse weights")


def _check_tensor(tensor: Message, effort: _Effort) -> None:
    for number, value in _fields(tensor, effort):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0):
            raise _ScatteredError("keeps weights in other files")
    dims = tensor_dims(tensor)
    # Negative ones are huge here.
    if math.prod(dims) > MAX_TENSOR_ELEMENTS or max(dims, default=0) > MAX_TENSOR_ELEMENTS:
        raise _UnfitError(f"has a tensor of {' x '.join(map(str, dims[:8]))} numbers")


def tensor_dims(tensor: Message) -> list[int]:
    """Return a tensor's sizes as they are written: negative ones are huge.

    Raises
    ------
    ValueError
        If it isn't protobuf, or has more axes than any tensor.
    """
    dims: list[int] = []
    for number, value in _fields(tensor, None):
        if number == DIMS:
            dims += [value] if isinstance(value, int) else islice(_varints(value), MAX_AXES + 1)
            if len(dims) > MAX_AXES:  # whose product would take minutes
                raise ValueError(f"a tensor of more than {MAX_AXES} axes")
    return dims


def keeps_weights_elsewhere(model: Message) -> bool:
    """Say whether a model that is fit otherwise has weights in other files.

    Raises
    ------
    ValueError
        If it isn't ONNX.
    """
    try:
        _read_model(model)
    except _ScatteredError:
        return True
    except _UnfitError:
        return False
    return False


def _messages(message: Message, effort: _Effort) -> Iterator[tuple[int, Message]]:
    """Yield the fields that are texts, bytes or messages."""
    for number, value in _fields(message, effort):
        if not isinstance(value, int):
            yield number, value


def _fields(message: Message, effort: _Effort | None) -> Iterator[tuple[int, Message | int]]:
    position = 0
    while position < len(message):
        if effort is not None:
            effort.spend()
        number, value, position = message_field(message, position)
        if value is not None:
            yield number, value


def message_field(message: Message, position: int) -> tuple[int, Message | int | None, int]:
    """Return number and value of the field that begins at a position, and where it ends.

    Values of fixed length are left out: None.
    """
    key, position = _varint(message, position)
    number, wire = key >> 3, key & 7
    if wire == VARINT:
        return number, *_varint(message, position)
    if wire == BYTES:
        size, position = _varint(message, position)
    elif wire in (FIXED64, FIXED32):
        size = 8 if wire == FIXED64 else 4
    else:
        raise ValueError("not protobuf")
    if position + size > len(message):
        raise ValueError("it ends too soon")
    end = position + size
    return number, message[position:end] if wire == BYTES else None, end


def _varints(message: Message) -> Iterator[int]:
    position = 0
    while position < len(message):
        value, position = _varint(message, position)
        yield value


def _varint(message: Message, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends too soon")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("not protobuf")


def varint_bytes(value: int) -> bytes:
    """Return an integer of 0 or more as protobuf writes it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _text(number: int, text: str) -> bytes:
    data = text.encode()
    return varint_bytes(number << 3 | BYTES) + varint_bytes(len(data)) + data
