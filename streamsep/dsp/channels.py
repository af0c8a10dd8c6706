"""Sound with another number of channels."""

from __future__ import annotations

import numpy as np

from streamsep.types import Float32


def match_channels(sound: Float32, channels: int) -> Float32:
    """Return (C, N) as (``channels``, N): mono is copied to all, more are folded by averaging."""
    if len(sound) == channels:
        return sound
    if len(sound) == 1:
        return np.repeat(sound, channels, axis=0)
    folded = [sound[index::channels].mean(axis=0) for index in range(min(channels, len(sound)))]
    return np.stack(folded).astype(np.float32)
