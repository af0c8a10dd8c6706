"""How items of a batch are drawn: by step and place, wherever that is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Draw(Protocol):
    """What draws a step's batch: a function of step and places alone, whatever was drawn before.

    It is called on another thread, or goes to another process by pickle: what holds a network or a
    device has no place in it.
    """

    def __call__(self, step: int, places: range, /) -> Any:
        """Return the data of a step.

        Parameters
        ----------
        places
            Which items of the step's whole batch, that of all processes, whose size is
            ``places.stop``.
        """


class Mixer(Protocol):
    """Where items come from."""

    def sample(self, step: int, position: int) -> NDArray[np.float32]:
        """Return the item of a place in a step's batch; all have the same shape."""


def draw_items(mixer: Mixer, step: int, places: Iterable[int]) -> Tensor:
    """Return some items of a step, float32 (places, …): a `Draw`, once it has its mixer."""
    return torch.from_numpy(np.stack([mixer.sample(step, place) for place in places]))
