"""The buffer between two devices, where time has been lost."""

import math

import numpy as np
import pytest

from streamsep.audio.jitter import JitterBuffer

RATE, FRAMES = 44_100, 512


@pytest.mark.parametrize("two_clocks", [False, True])
def test_what_was_due_long_ago_is_silence_and_then_comes_the_newest(two_clocks):
    """While time is caught up with, sound of now would be in the wrong place."""
    buffer = JitterBuffer(
        1, FRAMES, sample_rate=RATE, buffered=FRAMES, two_clocks=two_clocks
    )  # fmt: skip
    ramp = np.arange(1, 100 * FRAMES + 1, dtype=np.float32)[None]
    out = np.zeros((FRAMES, 1), np.float32)

    def write(first, last):
        buffer.write(ramp[:, first * FRAMES : last * FRAMES], last * FRAMES / RATE)

    write(0, 10)
    assert buffer.ready()
    assert (buffer.read(out, 0.0), bool(out.any())) == (0, True)
    for _ in range(50):
        assert (buffer.read(out, -math.inf), out.any()) == (1, False)
    write(10, 40)
    for _ in range(3):  # until the resampler holds nothing of before
        assert buffer.read(out, 1.0) == 0
    # Three blocks on from the usual distance.
    assert 40 * FRAMES - out[-1, 0] == buffer.latency - 4 * FRAMES
