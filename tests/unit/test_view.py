"""What a session looks like: exact text of screen, line and object."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from streamsep.lyrics import LyricsMoment
from streamsep.scoring import ScoreSnapshot, SingerScore
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
from tests.support.cases import one_fast
from tests.support.shows import PLAIN, SHOWN, STATS


class TestScreen:
    @pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
    def test_exact_text(self, width, height):
        expected = (Path(__file__).parent / "screens" / f"{width}x{height}.txt").read_text()
        assert screen(SHOWN, width, height).plain + "\n" == expected

    @pytest.mark.parametrize(
        "shown",
        one_fast(
            [
                SHOWN,
                Shown(STATS),
                replace(SHOWN, message="word " * 60, microphone=False),
                replace(SHOWN, lyrics=LyricsMoment("歌詞" * 60, 3, "次の行" * 40, None)),
                replace(
                    SHOWN,
                    stats=replace(
                        STATS,
                        seconds=36_000,
                        level_in_db=-math.inf,
                        level_out_db=20.0,
                        hop_p50_ms=999.9,
                        hop_p99_ms=9_999.9,
                        dropouts=999_999,
                        provider="CUDA",
                        model="m" * 200,
                        bypass=True,
                        faders={"guide": 12.0, "beat": 24.0, "mic": -math.inf, "master": -90.0},
                    ),
                ),
            ]
        ),
        ids=["all", "a session alone", "long message", "wide letters", "extremes"],
    )
    def test_it_fits_every_terminal(self, shown):
        for width in (*range(1, 30, 4), 40, 71, 72, 79, 80, 100, 121, 250):
            for height in (*range(1, 25), 40, 80):
                lines = screen(shown, width, height).split("\n", allow_blank=True)
                assert len(lines) <= height
                assert max(line.cell_len for line in lines) <= width

    def test_all_of_it_is_on_a_screen_of_80_by_24(self):
        text = screen(SHOWN, 80, 24).plain
        for what in (
            "vocals on CPU",
            "● 1:01",
            "1:23",
            "in ",
            "out ",
            "mic ",
            "taken out",
            "latency 325 ms (measured 325)",
            "hop p50 2.6, p99 3.4 of 93 ms",
            "dropouts 3",
            "▸ guide",
            "50 %",
            "beat",
            "master",
            "♪ A line",
            "and the line after it",
            "in 3 s",
            "something happened",
            "q quit",
        ):
            assert what in text, what

    def test_what_goes_first_when_room_is_short(self):
        shown = replace(SHOWN, recorded_s=None)
        seen = [screen(shown, 80, height).plain for height in (24, 12, 10, 8, 6)]
        for what, lost in (
            ("\n\n", 1),
            ("80 Hz", 1),
            ("q quit", 2),
            ("guide", 3),
            ("dropouts", 4),
            ("♪", 5),
            ("something happened", 5),
            ("in   █", 5),
        ):
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
            "time_s": 83.4,
            "song": None,
            "position_s": None,
            "duration_s": None,
            "paused": False,
            "level_in_db": -6.02,
            "level_out_db": -14.5,
            "level_mic_db": -20.3,
            "spectrum_db": [-12.35, None],
            "latency_ms": 325.08,
            "measured_latency_ms": 325.08,
            "mic_latency_ms": 10.0,
            "av_offset_ms": -325.08,
            "hop_p50_ms": 2.61,
            "hop_p99_ms": 3.44,
            "hop_budget_ms": 92.9,
            "dropouts": 1,
            "device_glitches": 2,
            "mic_glitches": 0,
            "bad_samples": 0,
            "drift_ppm": None,
            "provider": "CPU",
            "model": "vocals",
            "faders_db": {"guide": -6.02, "beat": 0.0, "mic": -3.0, "master": None},
            "bypass": False,
            "key": None,
            "recorded_s": 61.0,
            "lyric": "A line that is being sung",
            "next_lyric": "and the line after it",
            "scores": None,
            "events": [],
            "final": False,
        }

    def test_the_page_on_usage_names_every_field(self):
        page = (Path(__file__).parents[2] / "docs" / "usage.md").read_text()
        table = page[page.index("| field |") :].split("\n\n")[0]
        named = [
            name.strip(" `")
            for row in table.splitlines()[2:]
            for name in row.split("|")[1].split(",")
        ]
        assert named == list(record(SHOWN, final=True))


def test_drift_is_shown_where_there_are_two_clocks():
    assert "dropouts 3  drift -12 ppm  CPU" in plain_line(Shown(replace(STATS, drift_ppm=-12.4)))


def test_a_score_is_shown_for_each_singer_and_its_line():
    singers = (SingerScore("mic", 87.4, 92.0, 60.0), SingerScore("mic 2", None, None, 0.0))
    shown = replace(SHOWN, score=ScoreSnapshot(singers, (), ()))
    for text in (screen(shown, 100, 24).plain, plain_line(shown)):
        assert "score mic 87 (line 92)" in text
        assert "score mic 2 … (line …)" in text
    assert record(shown, final=False)["scores"] == {"mic": 87.4, "mic 2": None}


def test_each_microphone_has_its_meter_and_its_fader():
    stats = replace(
        STATS,
        faders={"guide": 0.0, "beat": 0.0, "mic": -3.0, "mic 2": -6.0, "master": 0.0},
        levels_mics_db={"mic": -20.0, "mic 2": -30.0},
    )
    lines = screen(replace(SHOWN, stats=stats), 80, 30).plain.splitlines()
    meters = [line for line in lines if line.startswith(("in ", "out ", "mic "))]
    assert [line[:6] for line in meters] == ["in    ", "out   ", "mic   ", "mic 2 "]
    assert [line[-8:] for line in meters[2:]] == ["-20.0 dB", "-30.0 dB"]
    assert {len(line) for line in meters} == {80}
    assert any("mic 2 " in line and "-6.0 dB" in line for line in lines)
