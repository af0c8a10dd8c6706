"""State that is taken from one object and given to another of its kind, which goes on with it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[Any]]


class Resumable:
    """Base of what can be gone on with elsewhere: as if it had heard all that the other heard.

    A subclass names in ``_kept`` its attributes that change while it works: arrays, numbers, and
    other objects of this kind, or None. (Of views of one array only the one that holds all.)
    """

    _kept: ClassVar[tuple[str, ...]] = ()

    def state(self) -> State:
        """Return copies of all that is kept, by names with dots where objects are nested."""
        found: State = {}
        for name in self._kept:
            value = getattr(self, name)
            if isinstance(value, Resumable):
                found |= {f"{name}.{inner}": array for inner, array in value.state().items()}
            elif value is not None:
                found[name] = np.array(value)
        return found

    def restore(self, state: State) -> None:
        """Go on from what `state` gave.

        Raises
        ------
        ValueError
            If it is of another kind of object, or of one of other sizes.
        """
        for name in self._kept:
            value = getattr(self, name)
            if isinstance(value, Resumable):
                value.restore(inner_state(state, name))
            elif isinstance(value, np.ndarray):
                copy_exactly(state, name, value)
            elif value is not None:
                found = np.zeros((), np.array(value).dtype)
                copy_exactly(state, name, found)
                setattr(self, name, found.item())


def inner_state(state: State, name: str) -> State:
    """Return the part of a state that is of one nested object."""
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in state.items() if key.startswith(start)}


def copy_exactly(state: State, name: str, out: NDArray[Any]) -> None:
    """Copy an array of a state into one of the same shape and type.

    Raises
    ------
    ValueError
        If it isn't there, or is of another.
    """
    found = state.get(name)
    if found is None or (found.shape, found.dtype) != (out.shape, out.dtype):
        raise ValueError(f"the state has no {name} of {out.shape} {out.dtype}")
    np.copyto(out, found)
