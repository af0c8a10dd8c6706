"""A model's numeric self-test: a fixed input, and few numbers that tell its output."""

from __future__ import annotations

import numpy as np

from streamsep.errors import ModelError
from streamsep.separation.backend import Backend

# Float32 kernels sum in other orders on other processors; another model differs by far more.
TOLERANCE = 1e-3


def run_self_test(backend: Backend) -> tuple[float, ...]:
    """Run a graph once from its zero state on a fixed input.

    Returns
    -------
    The output's root mean square, and its mean product with two fixed waves.

    Raises
    ------
    ModelError
        If not all that comes out is finite.
    BackendError
        If it doesn't run.
    """
    backend.reset()
    place = np.arange(backend.features.size)
    backend.features[...] = np.sin(0.37 * place).reshape(backend.features.shape)
    backend.run()
    output = backend.estimate.astype(np.float64).ravel()
    backend.reset()
    if not np.isfinite(output).all():
        raise ModelError(
            f"{backend.spec.name} gives NaN or Inf for a plain input",
            expected="finite numbers",
            remedy="get the model again, or choose another",
        )
    place = np.arange(output.size)
    waves = (np.sin(0.37 * place), np.cos(0.11 * place))
    return (float(np.sqrt(np.mean(output**2))), *(float(np.mean(output * w)) for w in waves))


def agree(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Return whether two results of `run_self_test` are those of one model."""
    return len(first) == len(second) and bool(
        np.allclose(first, second, rtol=0, atol=TOLERANCE * max(abs(first[0]), 1e-9))
    )
