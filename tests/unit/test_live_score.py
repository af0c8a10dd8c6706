"""A score while it plays: whose voice, which words, and what is said at the end."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import ArgumentError
from streamsep.live.player import LivePlayer
from streamsep.live.prompter import Prompter
from streamsep.lyrics import parse_lyrics
from streamsep.realtime.stats import SongPosition
from streamsep.scoring import LineAt
from testing.singing import sing
from tests.support.cases import one_fast
from tests.support.shows import STATS

PATIENT = dict(block=2_048, slack=44_100)
SECONDS = 1.6


@pytest.fixture
def song(tmp_path):
    """One that is all voice: half of it is what the half model takes out."""
    sf.write(tmp_path / "song.wav", np.stack([sing(seconds=SECONDS)] * 2, axis=-1), 44_100)
    return tmp_path / "song.wav"


def voice(tmp_path, **how):
    sf.write(tmp_path / "voice.wav", sing(seconds=SECONDS, seed=4, **how), 44_100)
    return tmp_path / "voice.wav"


@pytest.mark.parametrize(
    ("transpose", "least", "most"), one_fast([(0.0, 95.0, 100.0), (-1.0, 1.0, 60.0)])
)
def test_a_run_scores_who_sings_along(song, half_model, tmp_path, transpose, least, most):
    """The vocals come late out of the model; what was read ahead puts both in step."""
    settings = dict(output="null", model=half_model, voice_effects="off", score=True, **PATIENT)
    sung = voice(tmp_path, transpose=transpose)
    with LivePlayer(input=song, mic=sung, **settings) as player:
        assert player.score.singers[0].name == "mic"
        player.wait()
    score = player.score
    assert least <= score.singers[0].percent <= most
    assert score.singers[0].sung_s > 1.0
    places = [point.seconds for point in score.trace if point.reference]
    assert 0.0 <= places[0] < 0.4  # of a session whose time begins with the song
    last = [event.text for event in player.events.latest() if event.kind == "report"][-1]
    assert last == f"score of 100: mic {score.singers[0].percent:.0f}"


@pytest.mark.slow
def test_the_command_says_it_at_the_end(command, song, half_model, tmp_path):
    (tmp_path / "song.lrc").write_text("[00:00.00]do re mi\n[00:01.00]fa sol\n")
    done = command(
        *("live", "--input", song, "--output", "null", "--model", half_model, "--json"),
        *("--mic", voice(tmp_path), "--voice-effects", "off", "--score"),
        *("--lyrics", tmp_path / "song.lrc"),
    )
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("score of 100: mic ")
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["scores"]["mic"] >= 90.0


@pytest.mark.slow
def test_each_song_of_several_has_its_own(command, song, half_model, tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    done = command(  # nobody sings the second one
        *("live", "--input", song, "--input", other, "--output", "null", "--model", half_model),
        *("--mic", voice(tmp_path), "--voice-effects", "off", "--score", "--plain"),
    )
    assert done.code == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "score of 100" in line]
    first = re.fullmatch(r"song\.wav: score of 100: mic (\d+)", said[-1])
    assert int(first[1]) >= 90
    # The end of the first is judged when the second one is heard already.
    second = next(
        found for line in said if (found := re.fullmatch(r"score of 100: mic (\d+)", line))
    )
    assert int(second[1]) <= 15


def test_nobody_to_score_is_said_at_once(command, song):
    done = command("live", "--input", song, "--score")
    assert (done.code, "expected --mic" in done.stderr) == (2, True)
    with pytest.raises(ArgumentError, match="no microphone"):
        LivePlayer(input=song, score=True)


def test_a_player_without_a_score_has_none(song, half_model):
    with LivePlayer(input=song, output="null", model=half_model, seconds=0.1, **PATIENT) as player:
        assert (player.score, player.restart_score()) == (None, None)


def test_lines_are_those_that_are_heard():
    prompter = Prompter(parse_lyrics("[00:01.00]one\n[00:02.00]two", "song"), from_start=False)
    latency, song = STATS.latency, None
    session = SimpleNamespace(latency=latency, seconds=STATS.seconds + 3.0, song=lambda: song)
    assert prompter.line_at(5.0, session) is None
    prompter.begin(STATS)
    heard = STATS.seconds - latency.ms(latency.device_out) / 1_000.0
    assert prompter.line_at(heard + 0.99, session) == LineAt(0, "")
    assert prompter.line_at(heard + 1.01, session) == LineAt(1, "one")
    assert prompter.line_at(heard + 2.01, session) == LineAt(2, "two")


def test_lines_of_a_file_are_those_of_its_place_wherever_it_was_moved_to():
    prompter = Prompter(parse_lyrics("[00:01.00]one\n[00:02.00]two", "song"), from_start=True)
    song = SongPosition(Path("song.wav"), 1.5, 60.0, False)
    session = SimpleNamespace(latency=STATS.latency, seconds=100.0, song=lambda: song)
    assert prompter.line_at(99.4, session) == LineAt(0, "")
    assert prompter.line_at(100.0, session) == LineAt(1, "one")


def test_the_voices_of_a_duet_have_their_singers():
    rows = ["#BPM:150", "P1", ": 0 1 0 hers", "- 5", ": 20 1 0 both", "P2"]
    rows += [": 10 1 0 his", "- 15", ": 20 1 0 both", "- 25", "P3", ": 30 1 0 all"]
    lyrics = parse_lyrics("\n".join(rows), "song")
    assert [(line.text, line.singer) for line in lyrics.lines] == [
        ("hers", 1),
        ("his", 2),
        ("both", 0),
        ("all", 0),
    ]
    now = lyrics.at(1.1)
    assert (now.current, now.singer, now.next, now.next_singer) == ("his", 2, "both", 0)
    solo = parse_lyrics("#BPM:150\n: 0 1 0 la", "song")
    assert solo.lines[0].singer == 0
