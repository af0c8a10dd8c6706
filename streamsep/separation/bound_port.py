"""An array that a graph reads or writes, wherever the graph runs."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from streamsep.separation.graph_ports import FLOAT32
from streamsep.types import Float32

# Providers whose memory is ours: what is bound there is the array itself.
HERE = {"CPU"}


class BoundPort:
    """An array here, and the tensor bound in its place where the model runs.

    The array is float32; where the tensor is float16, or elsewhere, one is copied to the other.
    """

    def __init__(self, shape: tuple[int, ...], provider: str, kind: str = FLOAT32) -> None:
        self.array: Float32 = np.zeros(shape, np.float32)
        dtype = np.float32 if kind == FLOAT32 else np.float16
        self._bound = self.array if dtype is np.float32 else np.zeros(shape, dtype)
        self._apart = provider not in HERE
        if self._apart:
            self.tensor = ort.OrtValue.ortvalue_from_shape_and_type(
                shape, dtype, provider.lower(), 0
            )
            self.send()
        else:
            self.tensor = ort.OrtValue.ortvalue_from_numpy(self._bound)

    def send(self) -> None:
        """Bring what stands in the array to where the model runs."""
        if self._bound is not self.array:
            np.copyto(self._bound, self.array, casting="same_kind")
        if self._apart:
            self.tensor.update_inplace(self._bound)

    def fetch(self) -> None:
        """Bring what the model made into the array."""
        if self._apart:
            np.copyto(self.array, self.tensor.numpy())
        elif self._bound is not self.array:
            np.copyto(self.array, self._bound)

    def clear(self) -> None:
        """Zero both."""
        self.array.fill(0.0)
        self.send()
