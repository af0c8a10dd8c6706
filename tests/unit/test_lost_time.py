"""How much time a device has lost, and what is said of it."""

import pytest

from streamsep.audio.devices.lost_time import DeviceTime, LossLog, SilentRuns
from streamsep.events import EventLog

BLOCK_S, BUFFER_S = 0.01, 0.18
# What no call has told yet, and what is less than a loss.
NEAR_S = DeviceTime.LEAST_S + 2 * BLOCK_S


class Output:
    """An output whose buffer is filled whenever the program runs; what isn't there is silence.

    Parameters
    ----------
    slow_by
        Of its clock.
    """

    def __init__(self, *, slow_by=0.0, buffer_s=BUFFER_S):
        self.time, self._speed, self.buffer_s = DeviceTime(BUFFER_S), 1.0 - slow_by, buffer_s
        self.now, self._filled_s, self._done_s = 1_000.0, 0.0, 0.0
        self.lost = []

    def wait(self, seconds):
        """Let time go by in which the program does nothing."""
        self.now += seconds
        self._filled_s = max(self._filled_s - seconds * self._speed, 0.0)

    def fill(self):
        while self._filled_s + BLOCK_S <= self.buffer_s:
            lost_s = self.time.called(BLOCK_S, self.now)
            self._done_s += BLOCK_S + lost_s
            self._filled_s += BLOCK_S
            if lost_s:
                self.lost.append(lost_s)

    def play(self, seconds, *, every_s=0.02):
        end = self.now + seconds
        while self.now < end:
            self.fill()
            self.wait(every_s)

    @property
    def late_s(self):
        """By how much the run is shorter than the time it took, when all is full."""
        return self.now - 1_000.0 - self._done_s + self._filled_s


@pytest.fixture
def output():
    output = Output()
    output.play(DeviceTime.SETTLE_S + 1.0)
    return output


@pytest.mark.parametrize("pause_s", [0.25, 0.3, 0.9, 2.9, 5.0, 60.0])
def test_after_a_pause_the_time_is_true_again_within_a_second(output, pause_s):
    before = output.late_s
    output.wait(pause_s)
    output.play(1.1)
    assert sum(output.lost) == pytest.approx(pause_s - BUFFER_S, abs=NEAR_S)
    assert output.late_s == pytest.approx(before, abs=NEAR_S)


def test_of_a_long_pause_all_but_a_little_is_known_at_the_first_call(output):
    """Else what comes after it would be in its place, until it is known."""
    output.wait(5.0)
    output.fill()
    assert output.lost == pytest.approx([5.0 - BUFFER_S - DeviceTime.SURE_S], abs=NEAR_S)


def test_many_short_pauses_never_add_up(output):
    before = output.late_s
    for pause_s in (0.2, 0.23, 0.19, 0.4, 0.21) * 20:
        output.wait(pause_s)
        output.play(0.3)
        # What the latest windows have cost isn't known yet.
        assert output.late_s == pytest.approx(before, abs=1.0)
    output.play(1.1)
    assert len(output.lost) > 10
    assert output.late_s == pytest.approx(before, abs=NEAR_S)


@pytest.mark.parametrize("slow_by", [200e-6, -200e-6])
def test_a_clock_that_is_slow_or_fast_loses_nothing(slow_by):
    output = Output(slow_by=slow_by)
    output.play(3_600.0, every_s=0.1)  # 0.7 s
    assert output.lost == []


@pytest.mark.parametrize("pause_s", [0.05, 0.15])
def test_a_pause_that_the_buffer_outlasts_is_no_loss(output, pause_s):
    for _ in range(50):
        output.wait(pause_s)
        output.play(0.1)
    assert output.lost == []


def test_a_larger_buffer_asks_for_more_and_that_is_no_loss(output):
    output.buffer_s = 2 * BUFFER_S
    output.play(10.0)
    assert output.lost == []


def test_the_time_of_an_output_that_begins_with_a_pause_begins_when_it_has_settled():
    output = Output()
    output.fill()
    output.wait(1.9)
    output.play(DeviceTime.SETTLE_S + 2.0)
    assert output.lost == []


def test_what_something_else_kept_the_time_for_isn_t_lost(output):
    output.wait(2.0)
    assert output.time.behind(output.now) == pytest.approx(2.0 - 0.02, abs=NEAR_S)
    output.time.passed(2.0)  # and the device has silence in its buffer, as before
    output._filled_s = BUFFER_S
    output.play(3.0)
    assert output.lost == []


def texts(events):
    return [(event.kind, event.text, event.gap_s) for event in events.latest()]


@pytest.fixture
def events():
    return EventLog()


def test_a_second_that_is_lost_is_said_with_its_place(events):
    log = LossLog("output 'x' stood still", events)
    events.clock = lambda: 12.5
    log.add(2.5)
    log.add(8.0, left_out_s=3.0, since_s=20.0)
    log.tell()
    assert texts(events) == [
        ("event", "output 'x' stood still: silence", 2.5),
        ("event", "output 'x' stood still: silence (recordings leave out 3.0 s)", 8.0),
    ]
    assert [event.seconds for event in events.latest()] == [12.5, 20.0]


def test_what_is_shorter_is_said_in_sum_once_it_is_a_second(events):
    log = LossLog("output 'x' stood still", events)
    for lost_s in (0.3, 0.4, 0.2):
        log.add(lost_s)
        log.tell()
    assert texts(events) == []
    log.add(0.3)
    log.tell()
    text = "output 'x' stood still for moments, 4 times, 1.20 s in all: silence"
    assert texts(events) == [("event", text, pytest.approx(1.2))]


def test_a_bad_spell_gets_a_line_when_it_is_over_with_the_place_where_it_began(events):
    log = LossLog("output 'x' stood still", events)
    for at_s in (10.0, 12.0):
        log.add(0.2, since_s=at_s)
    events.clock = lambda: 12.0 + LossLog.QUIET_S
    log.tell()
    assert texts(events) == []
    events.clock = lambda: 12.3 + LossLog.QUIET_S
    log.tell()
    text = "output 'x' stood still for moments, 2 times, 0.40 s in all: silence"
    assert [(e.text, e.seconds, e.gap_s) for e in events.latest()] == [(text, 10.0, 0.4)]


def test_what_was_never_much_is_said_in_sum_at_the_end(events):
    log = LossLog("output 'x' stood still", events)
    for at_s in (10.0, 20.0, 30.0):
        events.clock = lambda at_s=at_s: at_s
        log.tell()
        log.add(0.1)
        log.tell()
    log.end()
    text = "output 'x' stood still for moments, 3 times, 0.30 s in all: silence"
    assert texts(events) == [("report", text, 0.0)]
    log.end()
    assert len(texts(events)) == 1


@pytest.fixture
def runs(events):
    log = LossLog("input 'x' gave nothing", events)
    runs = SilentRuns(log)

    def read(pattern):
        """One block of half a second a character: sound, silence, or nothing that was there."""
        for each in pattern:
            runs.read(0.5, silent=each != "s", lost=each == "-")
        log.tell()

    return read, runs, log


def test_an_input_s_silence_is_said_when_it_is_over_and_was_long(runs, events):
    read, _, _ = runs
    read("ss....")
    assert texts(events) == []
    read("s")
    assert texts(events) == [("event", "input 'x' gave nothing: silence", 2.0)]


def test_a_short_rest_in_the_music_is_none_but_what_was_lost_counts(runs, events):
    read, _, log = runs
    read("ss..ss-s")
    log.end()
    assert [text for _, text, _ in texts(events)] == [
        "input 'x' gave nothing for moments, once, 0.50 s in all: silence"
    ]


def test_before_the_first_sound_nothing_is_missed_and_at_the_end_what_lasts_is(runs, events):
    read, silent, log = runs
    read("........s")
    assert texts(events) == []
    read("....")
    silent.end()
    log.end()
    assert texts(events) == [("event", "input 'x' gave nothing: silence", 2.0)]
