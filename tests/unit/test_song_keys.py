"""What keys do to songs, and how a screen shows where in one a run is."""

from dataclasses import replace
from pathlib import Path

import pytest

from streamsep.errors import ArgumentError
from streamsep.events import EventLog
from streamsep.realtime.stats import SongPosition
from streamsep.tui.song_keys import SongKeys
from streamsep.tui.view import record, screen
from tests.support.shows import SHOWN, STATS


class Player:
    """Notes what it is told."""

    def __init__(self, several_songs=True):
        self.several_songs, self.told = several_songs, []
        self.paused = self.looping = False
        self.position_s = 30.0

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def seek(self, seconds):
        self.told.append(seconds)

    def restart(self):
        self.told.append("restart")

    def next(self):
        self.told.append("next")

    def previous(self):
        raise ArgumentError("it can't", expected="a file", remedy="take one")

    def loop(self, start_s, end_s=None):
        self.looping = start_s is not None
        self.told.append((start_s, end_s))


@pytest.fixture
def press():
    player, events = Player(), EventLog()
    keys = {k: do for b in SongKeys(player, events).bindings() for k, do in b.actions.items()}

    def pressed(key):
        keys[key]()
        return player, [event.text for event in events.latest()]

    return pressed


def test_one_key_pauses_and_goes_on(press):
    assert press("p")[0].paused
    assert not press("p")[0].paused


def test_brackets_go_back_and_on(press):
    press("[")
    assert press("]")[0].told == [20.0, 40.0]


def test_a_loop_is_begun_ended_and_left_by_one_key(press):
    player, told = press("l")
    assert (player.told, told) == ([], ["a loop begins at 30.0 s; the key ends it"])
    player.position_s = 42.0
    press("l")
    assert (player.told, player.looping) == ([(30.0, 42.0)], True)
    assert press("l")[0].told[1:] == [(None, None)]


def test_what_can_t_be_done_is_said_and_no_end(press):
    press("r")
    press(">")
    player, told = press("<")
    assert player.told == ["restart", "next"]
    assert told == ["it can't; expected a file; take one"]


def test_with_one_song_there_is_none_to_go_to():
    bindings = SongKeys(Player(several_songs=False), EventLog()).bindings()
    assert not {"<", ">"} & {key for binding in bindings for key in binding.actions}


def test_the_place_in_the_song_is_shown():
    song = SongPosition(Path("a.wav"), 65.0, 225.0, paused=True)
    shown = replace(SHOWN, stats=replace(STATS, song=song))
    assert screen(shown, 80, 24).plain.splitlines()[0].endswith("paused  1:05 / 3:45")
    found = record(shown, final=False)
    assert [found[name] for name in ("song", "position_s", "duration_s", "paused")] == [
        "a.wav",
        65.0,
        225.0,
        True,
    ]
    endless = replace(STATS, song=song._replace(duration_s=None, paused=False))
    assert screen(replace(SHOWN, stats=endless), 80, 24).plain.splitlines()[0].endswith("  1:05")
