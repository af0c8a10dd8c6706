"""What a session looks like: exact text of screen, line and object."""

import io
import json
import math
import os
import termios
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from streamsep.events import Event
from streamsep.lyrics import LyricsMoment, parse_lyrics
from streamsep.realtime import LatencyReport, SessionStats
from streamsep.tui.app import Controls, JsonDisplay, PlainDisplay
from streamsep.tui.faders import moved
from streamsep.tui.keys import Keyboard, KeyDecoder
from streamsep.tui.prompter import WAITING, Prompter
from streamsep.tui.screen import PeakHold, ScreenDisplay
from streamsep.tui.view import (
    Shown,
    ascii_only,
    clock,
    fader,
    meter,
    plain_line,
    record,
    screen,
    video_settings,
)

STATS = SessionStats(
    seconds=83.4, level_in_db=-6.02, level_out_db=-14.5, level_mic_db=-20.3,
    faders={"guide": -6.02, "beat": 0.0, "mic": -3.0, "master": -math.inf}, key=None,
    bypass=False,
    latency=LatencyReport(
        sample_rate=44_100, device_in=1536, buffering=4096, slack=1024, stft=1024,
        lookahead=5120, device_out=1536,
    ),
    measured_latency=11_264, hop_p50_ms=2.61, hop_p99_ms=3.44, hop_budget_ms=92.9, dropouts=1,
    device_glitches=2, mic_latency=None, mic_glitches=0, bad_samples=0, provider="CPU",
    model="vocals",
)  # fmt: skip
KEYS = [("← →", "fader"), ("↑ ↓", "level"), ("g", "guide on/off"), ("b", "bypass"),
        ("space", "song begins"), (", .", "lyrics sooner, later"), ("q", "quit")]  # fmt: skip
SHOWN = Shown(
    STATS, held_db={"in": -3.0, "out": -9.0, "mic": -12.0},
    # Two hills, one at 250 Hz and a lower one at 2.5 kHz.
    spectrum_db=[max(-8.0 - 6.0 * abs(band - 5), -30.0 - 9.0 * abs(band - 15))
                 for band in range(24)],
    microphone=True, recorded_s=61.0,
    lyrics=LyricsMoment("A line that is being sung", 6, "and the line after it", 3.2),
    lyrics_offset_s=0.3, message="something happened", fader="guide", keys=KEYS,
)  # fmt: skip
PLAIN = (
    "1:23  in   -6.0 dB  out  -14.5 dB  latency 325 ms (measured 325)  "
    "hop p50 2.6, p99 3.4 of 93 ms  dropouts 3  CPU"
)


class TestScreen:
    @pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
    def test_exact_text(self, width, height):
        expected = (Path(__file__).parent / "screens" / f"{width}x{height}.txt").read_text()
        assert screen(SHOWN, width, height).plain + "\n" == expected

    @pytest.mark.parametrize("shown", [
        SHOWN,
        Shown(STATS),
        replace(SHOWN, message="word " * 60, microphone=False),
        replace(SHOWN, lyrics=LyricsMoment("歌詞" * 60, 3, "次の行" * 40, None)),
        replace(SHOWN, stats=replace(
            STATS, seconds=36_000, level_in_db=-math.inf, level_out_db=20.0, hop_p50_ms=999.9,
            hop_p99_ms=9_999.9, dropouts=999_999, provider="CUDA", model="m" * 200, bypass=True,
            faders={"guide": 12.0, "beat": 24.0, "mic": -math.inf, "master": -90.0},
        )),
    ], ids=["all", "a session alone", "long message", "wide letters", "extremes"])  # fmt: skip
    def test_it_fits_every_terminal(self, shown):
        for width in (*range(1, 30, 4), 40, 71, 72, 79, 80, 100, 121, 250):
            for height in (*range(1, 25), 40, 80):
                lines = screen(shown, width, height).split("\n", allow_blank=True)
                assert len(lines) <= height
                assert max(line.cell_len for line in lines) <= width

    def test_all_of_it_is_on_a_screen_of_80_by_24(self):
        text = screen(SHOWN, 80, 24).plain
        for what in (
            "vocals on CPU", "● 1:01", "1:23", "in ", "out ", "mic ", "taken out",
            "latency 325 ms (measured 325)", "hop p50 2.6, p99 3.4 of 93 ms", "dropouts 3",
            "▸ guide", "50 %", "beat", "master", "♪ A line", "and the line after it", "in 3 s",
            "something happened", "q quit",
        ):  # fmt: skip
            assert what in text, what

    def test_what_goes_first_when_room_is_short(self):
        shown = replace(SHOWN, recorded_s=None)
        seen = [screen(shown, 80, height).plain for height in (24, 12, 10, 8, 6)]
        for what, lost in (
            ("\n\n", 1), ("80 Hz", 1), ("q quit", 2), ("guide", 3), ("dropouts", 4),
            ("♪", 5), ("something happened", 5), ("in   █", 5),
        ):  # fmt: skip
            assert [what in text for text in seen] == [True] * lost + [False] * (5 - lost), what

    def test_nothing_measured_yet(self):
        early = replace(STATS, measured_latency=None, hop_p50_ms=math.nan, hop_p99_ms=math.nan)
        assert "(measured …)   hop …   dropouts" in screen(Shown(early), 80, 24).plain

    def test_without_a_microphone_it_isn_t_shown(self):
        assert "mic" not in screen(replace(SHOWN, microphone=False), 80, 24).plain

    def test_bypass_is_said(self):
        text = screen(Shown(replace(STATS, bypass=True)), 80, 24).plain
        assert text.startswith("vocals on CPU  BYPASS ")

    def test_what_is_sung_already_is_underlined(self):
        line = next(t for t in screen(SHOWN, 80, 24).split("\n") if t.plain.startswith("♪"))
        (sung,) = (span for span in line.spans if span.style == "underline")
        assert line.plain[sung.start : sung.end] == "A line"

    def test_ascii_says_the_same_in_the_same_columns(self):
        text = screen(SHOWN, 80, 24).plain
        plain = ascii_only(text)
        assert plain.isascii()
        assert "?" not in plain
        assert [len(line) for line in plain.split("\n")] == [len(line) for line in text.split("\n")]


@pytest.mark.parametrize(
    ("level", "held", "text"),
    [
        (-math.inf, -math.inf, "░░░░░░░░░░░░  -inf dB"),
        (-90.0, -90.0, "░░░░░░░░░░░░ -90.0 dB"),
        (-30.0, -30.0, "██████░░░░░░ -30.0 dB"),
        (-30.0, -10.0, "██████░░░│░░ -30.0 dB"),
        (-30.0, 3.0, "██████░░░░░│ -30.0 dB"),
        (0.0, 0.0, "████████████   0.0 dB"),
        (6.0, 6.0, "████████████   6.0 dB"),
    ],
)
def test_meter(level, held, text):
    assert meter(level, 12, held) == text


@pytest.mark.parametrize(
    ("name", "gain", "text"),
    [
        ("guide", -math.inf, "░░░░░░░░░░     0 % "),
        ("guide", -12.04, "███░░░░░░░    25 % "),
        ("guide", 0.0, "██████████   100 % "),
        ("beat", -math.inf, "░░░░░░░░░░  -inf dB"),
        ("beat", 0.0, "█████████░   0.0 dB"),
        ("beat", 24.0, "██████████  24.0 dB"),
    ],
)
def test_fader(name, gain, text):
    assert fader(name, gain, 10) == text


def test_clock():
    assert [clock(s) for s in (0, 59.9, 61, 3_600)] == ["0:00", "0:59", "1:01", "1:00:00"]


def test_what_to_set_for_a_video_is_negative_for_sound_that_is_late():
    assert video_settings(STATS.latency) == (
        "video: mpv --audio-delay=-0.325  vlc --audio-desync=-325  OBS offset -325 ms"
    )


class TestLines:
    def test_plain(self):
        assert plain_line(Shown(STATS)) == PLAIN
        assert plain_line(SHOWN) == (
            PLAIN.replace("-14.5 dB", "-14.5 dB  mic  -20.3 dB") + "  recorded 1:01"
        )

    def test_an_object_is_json_and_says_what_the_screen_says(self):
        stats = replace(STATS, mic_latency=441)
        quiet = replace(SHOWN, stats=stats, spectrum_db=(-12.345, -math.inf))
        assert json.loads(json.dumps(record(quiet, final=False), allow_nan=False)) == {
            "time_s": 83.4, "level_in_db": -6.02, "level_out_db": -14.5, "level_mic_db": -20.3,
            "spectrum_db": [-12.35, None], "latency_ms": 325.08, "measured_latency_ms": 325.08,
            "mic_latency_ms": 10.0, "av_offset_ms": -325.08, "hop_p50_ms": 2.61, "hop_p99_ms": 3.44,
            "hop_budget_ms": 92.9, "dropouts": 1, "device_glitches": 2, "mic_glitches": 0,
            "bad_samples": 0, "drift_ppm": None, "provider": "CPU", "model": "vocals",
            "faders_db": {"guide": -6.02, "beat": 0.0, "mic": -3.0, "master": None},
            "bypass": False, "key": None, "recorded_s": 61.0, "lyric": "A line that is being sung",
            "next_lyric": "and the line after it", "events": [], "final": False,
        }  # fmt: skip

    def test_readme_names_every_field(self):
        readme = (Path(__file__).parents[2] / "README.md").read_text()
        table = readme[readme.index("| field |") :].split("\n\n")[0]
        named = [name.strip(" `") for row in table.splitlines()[2:]
                 for name in row.split("|")[1].split(",")]  # fmt: skip
        assert named == list(record(SHOWN, final=True))


class StillSession:
    """A session in which nothing moves but faders."""

    def __init__(self):
        self.stats = STATS

    def snapshot(self):
        return self.stats

    def set_gain(self, name, gain_db):
        self.stats = replace(self.stats, faders=self.stats.faders | {name: gain_db})

    def set_bypass(self, bypass):
        self.stats = replace(self.stats, bypass=bypass)

    def set_key(self, semitones):
        if semitones > 6:
            raise ValueError(semitones)
        self.stats = replace(self.stats, key=semitones)


def shown_by(display, **controls):
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=display is ScreenDisplay, width=80, height=24, highlight=False
    )
    with display(StillSession(), Controls(quit=lambda: None, **controls), console) as opened:
        assert opened.update() == STATS
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


@pytest.fixture
def eventful(monkeypatch):
    monkeypatch.setattr(f"{__name__}.STATS", replace(STATS, events=(EARLY, LATE)))


def test_a_log_tells_each_event_once(eventful):
    lines = shown_by(PlainDisplay).splitlines()
    assert lines[1:] == ["0:10  device lost", "1:20  device back (1.5 s)", PLAIN, PLAIN]


def test_a_program_is_told_each_event_once(eventful):
    first, last = (json.loads(line) for line in shown_by(JsonDisplay).splitlines())
    assert first["events"] == [
        {"time_s": 10.0, "text": "device lost", "gap_s": 0.0},
        {"time_s": 80.0, "text": "device back", "gap_s": 1.5},
    ]
    assert last["events"] == []


def test_the_screen_tells_the_latest_event_while_it_is_news(eventful, monkeypatch):
    assert "1:20  device back (1.5 s)" in shown_by(ScreenDisplay, video=True)
    monkeypatch.setattr(f"{__name__}.STATS", replace(STATS, events=(EARLY,)))
    assert "device lost" not in shown_by(ScreenDisplay)


def test_the_screen_says_at_first_what_to_set_for_a_video(monkeypatch):
    monkeypatch.setattr(f"{__name__}.STATS", replace(STATS, seconds=1.0))
    assert "mpv --audio-delay=-0.325" in shown_by(ScreenDisplay, video=True)
    assert "mpv" not in shown_by(ScreenDisplay)
    monkeypatch.setattr(f"{__name__}.STATS", replace(STATS, seconds=60.0))
    assert "mpv" not in shown_by(ScreenDisplay, video=True)


def test_drift_is_shown_where_there_are_two_clocks():
    assert "dropouts 3  drift -12 ppm  CPU" in plain_line(Shown(replace(STATS, drift_ppm=-12.4)))


def test_peaks_are_held_and_then_fall():
    peaks = PeakHold()
    assert peaks.update({"in": -10.0}, 0.0) == {"in": -10.0}
    assert peaks.update({"in": -40.0}, 1.5) == {"in": -10.0}
    assert peaks.update({"in": -40.0}, 2.0) == {"in": pytest.approx(-20.0)}
    assert peaks.update({"in": -40.0}, 9.0) == {"in": -40.0}
    assert peaks.update({"in": -5.0}, 9.1) == {"in": -5.0}


class TestFaderKeys:
    def test_the_guide_goes_by_percent_between_silence_and_all(self):
        gain, seen = -math.inf, []
        for _ in range(22):
            gain = moved("guide", gain, 1)
            seen.append(round(100 * 10 ** (gain / 20)))
        assert seen == [*range(5, 101, 5), 100, 100]
        assert moved("guide", moved("guide", -math.inf, 1), -1) == -math.inf

    def test_the_others_go_by_decibels(self):
        assert moved("beat", 0.0, 1) == 1.0
        assert moved("beat", -2.6, -1) == -4.0
        assert moved("beat", 6.0, 1) == 6.0
        assert moved("beat", 12.0, 1) == 12.0  # set higher by an option
        assert moved("beat", 12.0, -1) == 11.0

    def test_below_the_lowest_is_silence_and_back(self):
        assert moved("mic", -40.0, -1) == moved("mic", -math.inf, -1) == -math.inf
        assert moved("mic", -math.inf, 1) == -40.0


class TestKeys:
    @pytest.fixture
    def terminal(self):
        """A pseudo-terminal: the other end's file, and its own as a stream."""
        other, own = os.openpty()
        with os.fdopen(own, "r+b", buffering=0) as stream:
            yield other, stream
        os.close(other)

    @pytest.fixture
    def ours(self, monkeypatch):
        """The pseudo-terminal controls no process: say that it controls this one."""
        monkeypatch.setattr("os.tcgetpgrp", lambda file: os.getpgrp())

    @pytest.mark.parametrize(
        ("text", "keys"),
        [
            ("q", ["q"]),
            ("\x1b[A\x1b[B", ["up", "down"]),
            ("\x1bOC\x1bOD", ["right", "left"]),
            ("\x1b[5~x", ["x"]),  # Page Up is nothing
            ("\x1b[1;5Cx", ["x"]),  # Ctrl-Right too
            ("\x1bq", ["q"]),
            ("\n\x00 ,", [" ", ","]),
        ],
    )
    def test_names(self, text, keys):
        assert KeyDecoder().feed(text) == keys
        slowly = KeyDecoder()
        assert [key for character in text for key in slowly.feed(character)] == keys

    def test_keys_come_at_once_and_the_terminal_is_put_back(self, terminal, ours):
        other, stream = terminal
        before = termios.tcgetattr(stream)
        with Keyboard(stream) as keyboard:
            assert keyboard.active
            assert not termios.tcgetattr(stream)[3] & (termios.ICANON | termios.ECHO)
            assert termios.tcgetattr(stream)[3] & termios.ISIG  # Ctrl-C still interrupts
            assert keyboard.read(0.0) == []
            os.write(other, b"\x1b[Aq")
            assert keyboard.read(10.0) == ["up", "q"]
        assert termios.tcgetattr(stream) == before

    def test_a_terminal_that_another_program_has_gives_none(self, terminal):
        with Keyboard(terminal[1]) as keyboard:
            assert not keyboard.active
            assert keyboard.read(0.0) == []

    def test_what_is_no_terminal_gives_none(self):
        with open(os.devnull) as stream, Keyboard(stream) as keyboard:
            assert not keyboard.active
        with Keyboard(io.StringIO()) as keyboard:
            assert not keyboard.active

    @pytest.fixture
    def press(self, terminal, ours, monkeypatch):
        """Open a screen on the pseudo-terminal; return what presses keys and gives the stats."""
        other, stream = terminal
        monkeypatch.setattr("sys.stdin", stream)
        session, ended = StillSession(), []
        session.stats = replace(STATS, key=4)
        prompter = Prompter(parse_lyrics("[00:01.00]la", "song"), from_start=False)
        controls = Controls(quit=lambda: ended.append(True), prompter=prompter, microphone=True)
        console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)

        def pressed(keys: str):
            os.write(other, keys.encode())
            display.wait(Future())
            display.update()
            return session.stats, ended, prompter

        with ScreenDisplay(session, controls, console) as display:
            yield pressed

    def test_faders(self, press):
        assert press("\x1b[A")[0].faders["guide"] == pytest.approx(-5.19, abs=0.01)  # 55 %
        stats = press("\x1b[C\x1b[B\x1b[B")[0]
        assert stats.faders["beat"] == -2.0
        assert press("\x1b[D\x1b[D\x1b[A")[0].faders["master"] == -40.0

    def test_guide_off_and_back(self, press):
        assert press("g")[0].faders["guide"] == -math.inf
        assert press("g")[0].faders["guide"] == -6.02

    def test_bypass_and_twice_at_once(self, press):
        assert press("b")[0].bypass is True
        assert press("bb")[0].bypass is True
        assert press("b")[0].bypass is False

    def test_key_as_far_as_it_goes(self, press):
        assert press("-")[0].key == 3
        assert press("+++++")[0].key == 6
        assert press("-")[0].key == 5
        assert "key +5" in screen(Shown(press("")[0]), 80, 24).plain.splitlines()[0]
        assert "key" not in screen(SHOWN, 80, 24).plain

    def test_lyrics_begin_and_shift(self, press):
        prompter = press("")[2]
        assert prompter.at(STATS) == WAITING
        press(" ...,")
        assert prompter.offset_s == pytest.approx(0.2)
        assert prompter.at(replace(STATS, seconds=STATS.seconds + 1.1)).current == ""
        assert prompter.at(replace(STATS, seconds=STATS.seconds + 1.3)).current == "la"

    def test_quit(self, press):
        assert press("x")[1] == []
        assert press("q")[1] == [True]

    def test_drawn_ten_times_a_second_at_most(self, press):
        started = time.monotonic()
        for _ in range(5):
            press("b")
        # However many keys are pressed; a twentieth for what clocks may be apart.
        assert time.monotonic() - started >= 0.95 * 0.5


class TestPrompter:
    LYRICS = parse_lyrics("[00:01.00]one\n[00:02.00]two", "song")

    def at(self, prompter, seconds):
        return prompter.at(replace(STATS, seconds=seconds)).current

    def test_with_a_file_lyrics_wait_for_what_is_heard(self):
        prompter = Prompter(self.LYRICS, from_start=True)
        # From the session's input to the speakers; what is before the input is no part of it.
        delay = (4096 + 1024 + 1024 + 5120 + 1536) / 44_100
        assert self.at(prompter, 1.0 + delay - 0.001) == ""
        assert self.at(prompter, 1.0 + delay + 0.001) == "one"
        assert self.at(prompter, 2.0 + delay + 0.001) == "two"

    def test_after_a_key_they_count_from_it(self):
        prompter = Prompter(self.LYRICS, from_start=False)
        assert prompter.at(STATS) == WAITING
        prompter.begin(replace(STATS, seconds=10.0))
        assert [self.at(prompter, s) for s in (10.99, 11.01)] == ["", "one"]

    def test_an_offset_makes_them_later(self):
        prompter = Prompter(self.LYRICS, from_start=False)
        prompter.begin(replace(STATS, seconds=0.0))
        prompter.move(0.1)
        assert [self.at(prompter, s) for s in (1.05, 1.15)] == ["", "one"]
        prompter.move(-0.3)
        assert [self.at(prompter, s) for s in (0.75, 0.85)] == ["", "one"]
