"""Arrays out of a pickle that holds nothing else, read without running what a pickle can run.

A pickle is a program that calls whatever it names. Here it may name the few things that numpy's
arrays are pickled by, and gets stand-ins for them, which keep what they are given and do nothing.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from streamsep.errors import ModelError

FLOAT32 = "f4"
PLACES = ("PUT", "BINPUT", "LONG_BINPUT")
MOST_KEPT = 100_000  # places for what a pickle names again: each array has about ten


class _Kept:
    """What a pickle builds, as the arguments and the state that it gave."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Kept):
    pass


class _Dtype(_Kept):
    pass


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes that protocols before 3 keep as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Return what an empty array's bytes are kept as there: a call without arguments."""
    return b""


STAND_INS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Kept,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None


def _check_places(file: IO[bytes]) -> None:
    """Raise UnpicklingError if a place is named so far away that the list of them fills the memory.

    A pickle numbers what it names again, and few bytes can name any number.
    """
    start = file.tell()
    for operation, place, _ in pickletools.genops(file):
        if operation.name in PLACES and place is not None and place > MOST_KEPT:
            raise pickle.UnpicklingError(f"it keeps something in place {place}")
    file.seek(start)


def read_plain_arrays(file: IO[bytes]) -> dict[str, NDArray[np.float32]]:
    """Return the float32 arrays of a pickled dict, by name.

    Raises
    ------
    ModelError
        If it holds anything else.
    """
    try:
        _check_places(file)
        content = _Unpickler(file).load()
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return {str(name): _array(kept) for name, kept in content.items()}
    except Exception as error:  # of what else a pickle's steps can go wrong with
        raise ModelError(
            f"these weights aren't plain arrays ({error})",
            expected="a pickle of float32 arrays by name",
            remedy="get the model from its maker again",
        ) from error


def _array(kept: object) -> NDArray[np.float32]:
    if not isinstance(kept, _Array):
        raise ValueError(f"a {type(kept).__name__} among them")
    _, shape, dtype, by_columns, data = kept.state
    if not isinstance(dtype, _Dtype) or dtype.arguments[:1] != (FLOAT32,) or dtype.state[1] != "<":
        raise ValueError("an array that isn't of float32")
    if not isinstance(data, bytes) or len(data) != 4 * math.prod(shape):
        raise ValueError("an array of another size than it says")
    return np.frombuffer(data, "<f4").reshape(shape, order="F" if by_columns else "C")
