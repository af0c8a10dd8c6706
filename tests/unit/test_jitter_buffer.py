"""The buffer between two devices, where time has been lost."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from streamsep.audio.devices import jitter_buffer as jitter
from streamsep.audio.devices.jitter_buffer import JitterBuffer

RATE, FRAMES = 44_100, 512


@pytest.mark.parametrize("two_clocks", [False, True])
def test_what_was_due_long_ago_is_silence_and_then_comes_the_newest(two_clocks):
    """While time is caught up with, sound of now would be in the wrong place."""
    buffer = JitterBuffer(1, FRAMES, sample_rate=RATE, buffered=FRAMES, two_clocks=two_clocks)
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


def test_without_stamps_to_trust_what_is_measured_follows_the_calls(monkeypatch):
    """Stamps that wander after the first second change nothing; a block that is lost does."""
    now, heard_later, lost = 0.0, 2_000, 0
    monkeypatch.setattr(jitter, "time", SimpleNamespace(monotonic=lambda: now))
    buffer = JitterBuffer(
        1, FRAMES, sample_rate=RATE, buffered=FRAMES, two_clocks=False, stamped=False
    )
    block, out = np.zeros((1, FRAMES), np.float32), np.zeros((FRAMES, 1), np.float32)
    written, measured = 0, []
    for index in range(6 * RATE // FRAMES):
        if index == 3 * RATE // FRAMES:
            heard_later = 2_700
        if index == 4 * RATE // FRAMES:
            lost = FRAMES  # the output stands still for a block
        while written + FRAMES <= index * FRAMES + lost:
            written += FRAMES
            now = written / RATE
            buffer.write(block)
        now = (index * FRAMES + lost) / RATE
        if buffer.ready():
            buffer.read(out, now + heard_later / RATE)
        measured.append(buffer.measured)
    # The head start of three blocks, and from a call until the sound is heard.
    usual = buffer.latency - FRAMES + 2_000
    assert set(measured[: 4 * RATE // FRAMES]) == {None, usual}
    assert measured[-1] == usual + FRAMES
