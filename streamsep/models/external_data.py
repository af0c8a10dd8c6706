"""Weights in a file beside the model's, as PyTorch writes them: read into one file.

The other file is never parsed. A tensor names it, with the place of its numbers in it: a name and
nothing else, of a file in the same folder, and exactly as many bytes as its sizes ask for. All
that is checked before any of it is read.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamsep.errors import ModelError
from streamsep.models.onnx_edit import Part, bytes_field, copied, fields_of
from streamsep.onnx_file import (
    ATTRIBUTES,
    DATA_LOCATION,
    EXTERNAL_DATA,
    GRAPH,
    GRAPH_VALUES,
    INITIALIZERS,
    MAX_DEPTH,
    MAX_FILE_BYTES,
    NODES,
    TENSOR_VALUES,
    Message,
    keeps_weights_elsewhere,
    mapped_file,
    tensor_dims,
)

DATA_TYPE, RAW_DATA = 2, 9
# Bytes of a number, by onnx's number of its type.
ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


@contextmanager
def as_one_file(path: Path) -> Iterator[Path]:
    """Have a model in one file: its own, or a temporary one with the weights from beside it.

    Raises
    ------
    ModelError
        If the file can't be read, or its weights aren't where and what they should be.
    """
    content = mapped_file(path)
    try:
        scattered = keeps_weights_elsewhere(content)
    except ValueError:  # whoever reads it next says what it is
        scattered = False
    if not scattered:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="streamsep-") as folder:
        whole = Path(folder) / path.name
        with whole.open("wb") as file:
            file.writelines(merged(path))
        try:
            yield whole
        except ModelError as error:
            raise ModelError(  # of the file that somebody named
                error.what.replace(str(whole), str(path)),
                expected=error.expected,
                remedy=error.remedy,
                settings=error.settings,
            ) from error


def merged(path: Path) -> list[Part]:
    """Return the parts of a model file that holds the weights from the files beside it.

    Raises
    ------
    ModelError
        See `as_one_file`.
    """
    merger = _Merger(path)
    try:
        return merger.model()
    except ValueError as error:
        raise merger.unfit(f"isn't ONNX ({error})") from error


def _message(value: object) -> Message:
    """Return a field that has to be a text, bytes or a message.

    Raises
    ------
    ValueError
        If it is a number.
    """
    if not isinstance(value, Message):
        raise ValueError("a number where a message belongs")
    return value


class _Merger:
    """Copies a model with its tensors' numbers in place of where they are."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = path, path.parent
        self._left = MAX_FILE_BYTES
        self._data: dict[str, Message] = {}

    def model(self) -> list[Part]:
        content = mapped_file(self._path)
        self._left -= len(content)
        return copied(content, lambda n, value: self._graph(value, 0) if n == GRAPH else None)

    def _graph(self, graph: object, depth: int) -> list[Part]:
        if depth > MAX_DEPTH:
            raise self.unfit(f"has graphs more than {MAX_DEPTH} deep")
        return copied(_message(graph), lambda n, value: self._part(n, value, depth))

    def _part(self, number: int, value: object, depth: int) -> list[Part] | None:
        if number == INITIALIZERS:
            return self._tensor(value)
        if number == NODES and isinstance(value, Message):
            return copied(
                value, lambda n, each: self._attribute(each, depth) if n == ATTRIBUTES else None
            )
        return None

    def _attribute(self, attribute: object, depth: int) -> list[Part]:
        def change(number: int, value: object) -> list[Part] | None:
            if number in TENSOR_VALUES:
                return self._tensor(value)
            return self._graph(value, depth + 1) if number in GRAPH_VALUES else None

        return copied(_message(attribute), change)

    def _tensor(self, value: object) -> list[Part] | None:
        tensor = _message(value)
        entries: dict[str, str] = {}
        kind = 0
        for number, value in fields_of(tensor):
            if number == EXTERNAL_DATA and isinstance(value, Message):
                texts = dict(fields_of(value))
                key, text = (_message(texts.get(n, Message(b""))) for n in (1, 2))
                entries[bytes(key).decode()] = bytes(text).decode()
            elif number == DATA_TYPE and isinstance(value, int):
                kind = value
        if not entries:
            return None
        size = math.prod(tensor_dims(tensor)) * ITEM_BYTES.get(kind, 0)
        numbers = self._numbers(entries, size)

        def change(number: int, value: object) -> list[Part] | tuple[()] | None:
            return () if number in (EXTERNAL_DATA, DATA_LOCATION, RAW_DATA) else None

        return [*copied(tensor, change), *bytes_field(RAW_DATA, [numbers])]

    def _numbers(self, entries: dict[str, str], size: int) -> Message:
        """Return a tensor's bytes, after all that is said of them was checked."""
        name = entries.get("location", "")
        data = self._file(name)
        try:
            offset = int(entries.get("offset", "0"))
            length = int(entries.get("length", str(len(data) - offset)))
        except ValueError as error:
            raise self.unfit(f"says where weights are with {entries!r:.100}") from error
        if length != size or offset < 0 or offset + length > len(data):
            raise self.unfit(
                f"wants {length} bytes from {offset} on for a tensor of {size}, and {name} has "
                f"{len(data)}"
            )
        self._left -= length
        if self._left < 0:
            raise self.unfit(f"has weights of more than {MAX_FILE_BYTES} bytes")
        return data[offset : offset + length]

    def _file(self, name: str) -> Message:
        if name in self._data:
            return self._data[name]
        plain = name.isprintable() and not any(c in name for c in "/\\:")
        if not plain or name.startswith(".") or len(name) not in range(1, 256):
            raise self.unfit(f"wants weights from {name!r:.100}, which is no name of a file")
        path = self._folder / name
        if os.path.islink(path) or not os.path.isfile(path):
            raise ModelError(
                f"{self._path} keeps its weights in {name}, which isn't beside it",
                expected=f"{name} in the same folder, a file and no link",
                remedy="put it there: both were made together",
            )
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if not 0 < size <= MAX_FILE_BYTES:
                    raise OSError(0, f"{size} bytes")
                content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise ModelError(
                f"{path} can't be read ({error.strerror})",
                expected=f"the weights of {self._path.name}, at most {MAX_FILE_BYTES} bytes",
                remedy="get it again, with the model",
            ) from error
        self._data[name] = content
        return content

    def unfit(self, what: str) -> ModelError:
        """Return the error that says what is wrong with the file."""
        return ModelError(
            f"{self._path} {what}",
            expected="tensors that name a file beside the model's, with as many bytes as they are",
            remedy="get both files again, or the model in one file",
        )
