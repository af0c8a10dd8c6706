"""What keys do, and how they are told apart."""

import io
import math
import os
import termios
import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from rich.console import Console

from streamsep.live.prompter import WAITING, Prompter
from streamsep.lyrics import parse_lyrics
from streamsep.tui.display import Controls
from streamsep.tui.faders import moved
from streamsep.tui.keys import Keyboard, KeyDecoder
from streamsep.tui.screen import ScreenDisplay
from streamsep.tui.view import (
    Shown,
    screen,
)
from tests.support.shows import SHOWN, STATS, StillSession


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
