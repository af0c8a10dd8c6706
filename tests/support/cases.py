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
    every = [case if hasattr(case, "marks") else pytest.param(*_values(case)) for case in cases]
    slow = [
        pytest.param(*case.values, marks=[*case.marks, pytest.mark.slow], id=case.id)
        for case in every[fast:]
    ]
    return [*every[:fast], *slow]


def _values(case):
    return case if isinstance(case, tuple) else (case,)
