"""What an input had kept while everything stood still is dropped, not played late."""

import math

import numpy as np

from streamsep.audio.devices.jitter_buffer import JitterBuffer

RATE, FRAMES = 44_100, 512


def test_what_comes_in_a_burst_after_time_was_missed_is_skipped_up_to_the_newest():
    buffer = JitterBuffer(1, FRAMES, sample_rate=RATE, buffered=FRAMES, two_clocks=False)
    ramp = np.arange(1, 400 * FRAMES + 1, dtype=np.float32)[None]
    out = np.zeros((FRAMES, 1), np.float32)

    def write(first, last):
        buffer.write(ramp[:, first * FRAMES : last * FRAMES], last * FRAMES / RATE)

    def late():
        """How old the newest of what was read is, in blocks."""
        return (ramp[0, buffer._ring.write_position - 1] - out[-1, 0]) / FRAMES

    write(0, 10)
    assert buffer.ready()
    buffer.read(out, 0.0)
    usual = late()
    for _ in range(300):
        buffer.read(out, -math.inf)
    write(10, 150)  # the burst begins
    assert buffer.read(out, 1.0) == 0
    assert late() == usual
    write(150, 310)  # and goes on, while the output goes on too
    assert buffer.read(out, 1.0) == 1
    assert late() == usual
    for block in range(310, 350):
        write(block, block + 1)
        assert buffer.read(out, 1.0) == 0
        assert late() == usual
