"""How a run is shown from its start to its end: a screen, lines, objects."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from streamsep.events import Event
from streamsep.tui.display import Controls, JsonDisplay, PlainDisplay
from streamsep.tui.screen import PeakHold, ScreenDisplay
from streamsep.tui.view import video_settings
from tests.support.shows import PLAIN, STATS, StillSession


def shown_by(display, stats=STATS, **controls):
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=display is ScreenDisplay, width=80, height=24, highlight=False
    )
    with display(StillSession(stats), Controls(quit=lambda: None, **controls), console) as opened:
        assert opened.update() == stats
    return text.getvalue()


def test_a_log_gets_a_heading_and_one_line_per_update():
    assert shown_by(PlainDisplay).splitlines() == ["vocals on CPU; Ctrl-C ends", PLAIN, PLAIN]
    assert shown_by(PlainDisplay, video=True).splitlines()[1] == video_settings(STATS.latency)


def test_a_program_gets_objects_of_which_the_last_is_final():
    lines = shown_by(JsonDisplay).splitlines()
    assert [json.loads(line)["final"] for line in lines] == [False, True]


def test_a_screen_is_left_as_it_was_with_a_line_of_what_it_showed():
    text = shown_by(ScreenDisplay)
    assert text.startswith("\x1b[?1049h")  # another screen
    drawn, left = text.split("\x1b[?1049l")  # and back
    assert "▸ guide" in drawn
    assert "\x1b[?25h" in drawn + left  # the cursor is shown again
    assert left.splitlines()[-1] == (
        "1:23  latency 325 ms (measured 325)  hop p50 2.6, p99 3.4 of 93 ms  dropouts 3  CPU"
    )


EARLY, LATE = Event(10.0, "device lost"), Event(80.0, "device back", gap_s=1.5)
EVENTFUL = replace(STATS, events=(EARLY, LATE))


def test_a_log_tells_each_event_once():
    lines = shown_by(PlainDisplay, EVENTFUL).splitlines()
    assert lines[1:] == ["0:10  device lost", "1:20  gap of 1.5 s: device back", PLAIN, PLAIN]


def test_a_program_is_told_each_event_once():
    first, last = (json.loads(line) for line in shown_by(JsonDisplay, EVENTFUL).splitlines())
    assert first["events"] == [
        {"time_s": 10.0, "text": "device lost", "gap_s": 0.0},
        {"time_s": 80.0, "text": "device back", "gap_s": 1.5},
    ]
    assert last["events"] == []


def test_the_screen_tells_the_latest_event_while_it_is_news():
    assert "1:20  gap of 1.5 s: device back" in shown_by(ScreenDisplay, EVENTFUL, video=True)
    assert "device lost" not in shown_by(ScreenDisplay, replace(STATS, events=(EARLY,)))


def test_what_ends_a_long_gap_is_news_from_its_end_on():
    back = Event(STATS.seconds - 60.0, "device back", gap_s=58.0)
    assert "gap of 58.0 s: device back" in shown_by(ScreenDisplay, replace(STATS, events=(back,)))


def test_the_screen_says_at_first_what_to_set_for_a_video():
    beginning = replace(STATS, seconds=1.0)
    assert "mpv --audio-delay=-0.325" in shown_by(ScreenDisplay, beginning, video=True)
    assert "mpv" not in shown_by(ScreenDisplay, beginning)
    assert "mpv" not in shown_by(ScreenDisplay, replace(STATS, seconds=60.0), video=True)


def test_peaks_are_held_and_then_fall():
    peaks = PeakHold()
    assert peaks.update({"in": -10.0}, 0.0) == {"in": -10.0}
    assert peaks.update({"in": -40.0}, 1.5) == {"in": -10.0}
    assert peaks.update({"in": -40.0}, 2.0) == {"in": pytest.approx(-20.0)}
    assert peaks.update({"in": -40.0}, 9.0) == {"in": -40.0}
    assert peaks.update({"in": -5.0}, 9.1) == {"in": -5.0}
