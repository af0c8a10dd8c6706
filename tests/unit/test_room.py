"""A room: whose turn it is, what a guest may, what is told, and songs that aren't there."""

import math
import time
from functools import partial

import pytest

from streamsep.errors import ArgumentError
from streamsep.remote.player_commands import PlayerCommands
from streamsep.remote.protocol import PARTY_COMMANDS, PLAYER_COMMANDS, Client, check_request
from streamsep.remote.room import SCORE_EVERY_S, Room
from streamsep.remote.singers_queue import SingersQueue
from streamsep.remote.song_library import SongLibrary
from streamsep.remote.song_words import words_of
from streamsep.scoring import ScoreSnapshot, SingerScore, TracePoint
from testing.silent_player import NoStems, SilentPlayer

HOST, ANN, BOB = Client("host", "host"), Client("guest", "ann"), Client("guest", "bob")


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("One", "Two", "Three"):
        (folder / f"{name}.mp3").touch()
    return folder


@pytest.fixture
def stage():
    return SilentPlayer()


@pytest.fixture
def said():
    return []


@pytest.fixture
def stems():
    return NoStems()


@pytest.fixture
def room(music, stage, stems, said, tmp_path):
    library = SongLibrary([music], tmp_path / "library.db")
    library.start()
    assert library.wait(60.0)
    yield Room(
        PlayerCommands(stage),
        words=partial(words_of, say=said.append),
        library=library,
        queue=SingersQueue(tmp_path / "queue.json"),
        stems=stems,
        say=said.append,
    )
    library.close()


def ask(room, client, kind, **fields):
    return room.handle(check_request({"type": kind, **fields}, room.commands), client)


def add(room, title, client, singer=None):
    (song,) = ask(room, client, "search", query=title)["songs"]
    return ask(
        room, client, "add", song=song["id"], singer=client.identity if singer is None else singer
    )["entry"]


def told(room, kind):
    return room.news()[kind]


def waiting(room):
    return [(entry["title"], entry["singer"]) for entry in told(room, "queue")["waiting"]]


def notices(room):
    return [notice["text"] for notice in told(room, "notices")["notices"]]


def test_songs_play_one_after_the_other_as_they_wait(room, stage):
    add(room, "one", ANN)
    add(room, "two", ANN)
    add(room, "three", BOB)
    played = []
    for _ in range(3):
        room.tick()
        played.append(stage.playing.stem)
        stage.end()
    room.tick()
    assert played == ["One", "Three", "Two"]
    assert told(room, "queue")["current"] is None


def test_where_a_song_lies_is_never_told(room, music):
    add(room, "one", ANN)
    room.tick()
    everything = repr(room.news()) + repr(ask(room, ANN, "search", query=""))
    assert str(music) not in everything
    assert ".mp3" not in everything


@pytest.mark.parametrize("name", [n for n, c in PLAYER_COMMANDS.items() if c.who == "host"])
def test_a_guest_cant_do_what_is_the_hosts(room, stage, name):
    add(room, "one", ANN)
    room.tick()
    values = {
        "seek": {"seconds": 3},
        "gain": {"fader": "mic", "db": -60},
        "bypass": {"on": True},
        "voice": {"preset": "dry"},
    }
    with pytest.raises(ArgumentError):
        ask(room, ANN, name, **values.get(name, {}))
    assert stage.done == []
    assert stage.session.faders["mic"] == 0.0
    assert stage.session.bypass is False


def test_whose_song_plays_skips_it_and_says_how_it_sounds_and_no_other_guest(room, stage):
    add(room, "one", ANN)
    add(room, "two", BOB)
    room.tick()
    for name, values in (("next", {}), ("key", {"semitones": 2}), ("guide", {"percent": 50})):
        with pytest.raises(ArgumentError):
            ask(room, BOB, name, **values)
    ask(room, ANN, "key", semitones=2)
    ask(room, ANN, "guide", percent=50)
    assert stage.session.key == 2
    assert stage.session.faders["guide"] == pytest.approx(-6.02, abs=0.01)
    ask(room, ANN, "next")
    assert stage.playing.stem == "Two"
    with pytest.raises(ArgumentError):
        ask(room, ANN, "next")


def test_a_guest_removes_only_what_is_theirs_and_the_host_anything(room):
    mine, theirs = add(room, "one", ANN), add(room, "two", BOB)
    with pytest.raises(ArgumentError):
        ask(room, ANN, "remove", entry=theirs)
    ask(room, ANN, "remove", entry=mine)
    ask(room, HOST, "remove", entry=theirs)
    assert waiting(room) == []
    with pytest.raises(ArgumentError):
        ask(room, ANN, "move", entry=mine, before=0)


def test_the_host_pauses_seeks_and_moves_faders(room, stage):
    add(room, "one", ANN)
    room.tick()
    ask(room, HOST, "pause")
    ask(room, HOST, "seek", seconds=12.5)
    ask(room, HOST, "loop", start=1, end=3)
    ask(room, HOST, "gain", fader="mic", db=-120)
    assert stage.done == [("pause",), ("seek", 12.5), ("loop", 1.0, 3.0)]
    assert stage.session.faders["mic"] == -math.inf
    player = told(room, "player")
    assert player["loop"] == (1.0, 3.0)
    assert player["faders"]["mic"] == -120.0
    ask(room, HOST, "loop")
    assert stage.done[-1] == ("loop", None)
    for name, values in (
        ("gain", {"fader": "nothing", "db": 0}),
        ("loop", {"start": 3, "end": 3}),
        ("voice", {"preset": "dry"}),  # this player has no such thing
    ):
        with pytest.raises(ArgumentError):
            ask(room, HOST, name, **values)


def test_the_last_song_is_skipped_to_silence(room, stage):
    add(room, "one", ANN)
    room.tick()
    ask(room, HOST, "next")
    assert stage.idle
    assert told(room, "queue")["current"] is None


def test_a_song_that_has_gone_is_passed_over_and_named(room, stage, music):
    add(room, "one", ANN)
    add(room, "two", BOB)
    (music / "One.mp3").unlink()
    room.tick()
    assert stage.playing.stem == "Two"
    assert notices(room) == ["One is passed over: it can't be played"]
    with pytest.raises(ArgumentError):
        add(room, "one", ANN)


def test_a_song_that_is_no_sound_is_passed_over_and_why_is_the_hosts(room, stage, said, music):
    stage.unreadable.add("One.mp3")
    add(room, "one", ANN)
    room.tick()
    assert stage.idle
    assert len(notices(room)) == 1
    assert str(music) in said[0]
    assert str(music) not in repr(room.news())


def test_the_score_is_told_while_it_is_sung_and_its_result_after(room, stage):
    add(room, "one", ANN)
    room.tick()
    stage.position_s = 20.0
    singer = SingerScore("mic", 81.4, 90.0, 12.0)
    trace = tuple(TracePoint(100.0 + n / 50, 60.0, (60.2, None)) for n in range(500))
    stage.score = ScoreSnapshot((singer,), (), trace)
    room.news()
    time.sleep(SCORE_EVERY_S)
    score = told(room, "score")
    assert score["singers"] == [{"name": "mic", "score": 81.0, "line": 90.0}]
    assert score["trace"][0][0] >= 16.0  # of the song, where it is heard now
    assert score["trace"][-1][1:] == [60.0, [60.2, None]]
    assert len(score["trace"]) <= 100
    ask(room, HOST, "next")
    time.sleep(SCORE_EVERY_S)
    result = told(room, "score")["result"]
    assert (result["title"], result["singer"]) == ("One", "ann")
    assert result["singers"][0]["score"] == 81.0


def test_the_next_songs_are_separated_ahead_and_used(room, stage, stems, music):
    for title in ("one", "two", "three"):
        add(room, title, ANN)
    room.tick()
    assert [song.stem for song in stems.wanted] == ["One", "Two", "Three"]
    assert stage.stems is None  # its turn came early: separated while it plays
    stems.ready["One.mp3"] = {"vocals": music / "x.flac"}
    room.tick()
    assert stage.stems == {"vocals": music / "x.flac"}
    stems.ready["Two.mp3"] = {"vocals": music / "y.flac"}
    assert [entry["ready"] for entry in told(room, "queue")["waiting"]] == [True, False]
    stage.end()
    room.tick()
    assert stage.stems == {"vocals": music / "y.flac"}


def test_stems_that_the_models_arent_are_left_and_the_song_is_sung_all_the_same(
    room, stage, stems, said, music
):
    stage.refuses_stems = True
    add(room, "one", ANN)
    add(room, "two", ANN)
    room.tick()
    stems.ready = {"One.mp3": {"vocals": music / "x"}, "Two.mp3": {"vocals": music / "y"}}
    room.tick()
    ask(room, HOST, "next")
    assert stage.playing.stem == "Two"
    assert stage.stems is None
    assert sum("separated ahead aren't used" in line for line in said) == 2


def test_words_are_told_with_their_times_and_bad_ones_are_named(room, stage, said, music):
    (music / "One.lrc").write_text("[00:01.00]<00:01.00>I <00:02.00>sing\n[00:04.00]<b>on</b>\n")
    (music / "Two.lrc").write_bytes(b"no times")
    add(room, "one", ANN)
    add(room, "two", ANN)
    room.tick()
    lines = told(room, "words")["lines"]
    assert [(line["at"], line["text"]) for line in lines] == [(1.0, "I sing"), (4.0, "<b>on</b>")]
    assert lines[0]["words"] == [[1.0, 0], [2.0, 2]]
    stage.end()
    room.tick()
    assert told(room, "words")["lines"] is None
    assert any("Two.lrc" in line for line in said)
    assert stage.playing.stem == "Two"


def test_names_are_data(room):
    name = "<img src=x onerror=alert(1)>"
    add(room, "one", ANN, singer=name)
    assert waiting(room) == [("One", name)]
    for bad in ("x" * 10_000, "", "\u202e"):
        with pytest.raises(ArgumentError):
            add(room, "two", ANN, singer=bad)


def test_a_restart_begins_with_the_song_that_was_cut_short(room, stage, tmp_path):
    add(room, "one", ANN)
    add(room, "two", BOB)
    room.tick()
    again = SingersQueue(tmp_path / "queue.json")
    assert [entry.title for entry in again.waiting] == ["One", "Two"]


def test_clients_reckon_the_position_and_are_told_when_it_is_another(room, stage):
    add(room, "one", ANN)
    room.tick()
    first = told(room, "player")["position"]
    assert told(room, "player")["position"] == first  # nothing new: nobody is told
    stage.position_s = 30.0
    assert told(room, "player")["position"] == 30.0
    stage.position_s = 10.0
    assert told(room, "player")["position"] == 10.0


def test_every_command_is_of_one_list_alone():
    assert not PLAYER_COMMANDS.keys() & PARTY_COMMANDS.keys()
