"""What counts as time lost by an output, and what doesn't."""

import re
import time

import pytest

from streamsep.audio.devices import fallback_clock
from streamsep.audio.devices.lost_time import LostTime
from streamsep.audio.devices.reconnecting_stream import StreamState
from testing.servers import wait_until
from tests.unit.test_reconnecting_stream import Clock, beat, device, stream  # noqa: F401

BLOCK_S = 0.01


class Output:
    """Plays block after block, each heard ``late_s`` later than the first ones were."""

    def __init__(self):
        self.time, self._played_s, self.late_s = LostTime(), 0.0, 0.2
        self.lost = []

    def play(self, seconds, *, slow_by=0.0):
        for _ in range(round(seconds / BLOCK_S)):
            self.late_s += slow_by * BLOCK_S
            lost_s = self.time.played(BLOCK_S, 1_000.0 + self._played_s + self.late_s)
            self._played_s += BLOCK_S
            if lost_s:
                self.lost.append(lost_s)
                self.time.restart()


@pytest.fixture
def output():
    output = Output()
    output.play(LostTime.SETTLE_S + 2.0)
    return output


def test_what_is_lost_in_pieces_is_told_in_full_once_it_is_a_second(output):
    for _ in range(20):
        output.late_s += 0.06
        output.play(0.2)
    output.play(2.0)
    (lost_s,) = output.lost
    assert lost_s == pytest.approx(1.2, abs=0.2)  # what came after the window is told the next time


def test_less_than_a_second_is_kept_for_later(output):
    output.late_s += 0.6
    output.play(30.0)
    assert output.lost == []
    output.late_s += 0.6
    output.play(3.0)
    assert output.lost == pytest.approx([1.2], abs=0.05)


def test_a_slow_clock_loses_nothing(output):
    output.play(4 * 3_600.0, slow_by=200e-6)  # 2.9 s
    assert output.lost == []


@pytest.mark.parametrize("changed_s", [-1.9, -0.5])
def test_a_shorter_way_to_the_ear_is_no_loss(output, changed_s):
    output.late_s += changed_s
    output.play(10.0)
    assert output.lost == []


def test_a_stamp_that_errs_for_a_moment_is_no_loss(output):
    output.late_s += 2.0
    output.play(0.5)
    output.late_s -= 2.0
    output.play(10.0)
    assert output.lost == []


def test_stamps_of_a_stream_that_has_just_begun_are_not_believed():
    output = Output()
    output.play(1.0)
    output.late_s += 2.0
    output.play(20.0)
    assert output.lost == []


def test_what_is_lost_after_it_was_told_of_is_told_too(output):
    """A program that goes on to get too little time."""
    for _ in range(40):
        output.late_s += 0.3
        output.play(0.3)
    output.play(4.0)
    # All but what the first second after each begins with, and less than a second at the end.
    assert len(output.lost) > 1
    assert sum(output.lost) > 0.5 * 12.0


def test_stamps_of_another_stream_are_not_believed_at_once_either(output):
    output.time.begin()
    output.late_s += 2.0
    output.play(1.0)
    output.late_s += 2.0
    output.play(20.0)
    assert output.lost == []


def test_what_was_lost_is_made_up_for_as_a_standstill_is(stream):  # noqa: F811
    beat(stream, 0.05)
    with Clock(stream) as clock:
        began = time.monotonic()
        stream.make_up_for(0.5)
        wait_until(lambda: stream.state is StreamState.STALLED, "the standstill")
        beat(stream, 0.8)
        took_s = time.monotonic() - began
        assert stream.state is StreamState.RUNNING
    assert 0.5 < len(clock.ticks) * 0.01 < 0.5 + took_s
    (event,) = stream.events.latest()
    assert event.text == "output 'x' stood still: silence"
    assert 0.5 < event.gap_s < 0.5 + took_s


def test_what_recordings_leave_out_of_a_long_standstill_is_said(stream, monkeypatch):  # noqa: F811
    monkeypatch.setattr(fallback_clock, "MOST_MISSED_S", 0.3)
    beat(stream, 0.05)
    with Clock(stream) as clock:
        began = time.monotonic()
        stream.make_up_for(2.0)
        wait_until(lambda: stream.state is StreamState.STALLED, "the standstill")
        beat(stream, 0.8)
        took_s = time.monotonic() - began
    (event,) = stream.events.latest()
    left_out_s = float(re.search(r"recordings leave out (\d+\.\d) s", event.text)[1])
    assert left_out_s == pytest.approx(1.7 + took_s, abs=took_s + 0.05)  # it says tenths
    # All of the gap is either in the recording, as silence, or said not to be.
    assert len(clock.ticks) * 0.01 + left_out_s == pytest.approx(event.gap_s, abs=0.2)
