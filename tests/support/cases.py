"""Cases of parametrised tests: which of them `make check` runs."""

from collections.abc import Iterable

import pytest


def one_fast(cases: Iterable, fast: int = 1) -> list:
    """Cases whose first one, or first few, stand for all in `make check`: the others are slow.

    Parameters
    ----------
    cases
        As `pytest.mark.parametrize` takes them: values, tuples for several names, or params.
    fast
        How many aren't slow.
    """
    return _marked(cases, fast, pytest.mark.slow)


def one_of_many(cases: Iterable, tested: int = 1) -> list:
    """Cases whose first one, or first few, stand for all in `make test`: the others are a soak."""
    return _marked(cases, tested, pytest.mark.soak)


def _marked(cases, plain, mark):
    every = [case if hasattr(case, "marks") else pytest.param(*_values(case)) for case in cases]
    marked = [
        pytest.param(*case.values, marks=[*case.marks, mark], id=case.id) for case in every[plain:]
    ]
    return [*every[:plain], *marked]


def _values(case):
    return case if isinstance(case, tuple) else (case,)
