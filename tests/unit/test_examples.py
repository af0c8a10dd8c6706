"""The scripts in examples/: each does what its first line says."""

import re
import runpy
import sys

import numpy as np
import pytest
import soundfile as sf
import soxr

import streamsep
from testing.examples import SCRIPTS
from testing.signals import music
from tests.support.cases import one_fast

RATE = 48_000
STEP_16 = 2.0**-15  # of the files that the scripts write


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(2.0, sample_rate=RATE).T, RATE, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.fixture
def script(monkeypatch):
    def run(name, *arguments):
        path = SCRIPTS / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")

    return run


def beat_of(song, model="auto"):
    return streamsep.separate(sf.read(song)[0].T, RATE, stems="beat", model=model)["beat"].T


def test_all_of_them_are_tested():
    tested = {"separate_array", "separate_folder", "separate_stream", "own_model", "live_player"}
    played = {"own_callback"}  # tests/integration/test_own_callback.py
    control = {"midi_faders", "osc_bridge"}  # tests/unit/test_player_control.py
    assert {path.stem for path in SCRIPTS.glob("*.py")} == tested | played | control


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model"), one_fast([("separate_array", "auto"), ("separate_stream", "live")])
)
def test_the_beat_is_written_at_once_or_as_it_comes(script, song, name, model):
    target = song.with_name("beat.wav")
    script(name, song, target)
    sound, rate = sf.read(target)
    assert rate == RATE
    # The engines differ by what the invariant allows.
    np.testing.assert_allclose(sound, beat_of(song, model), atol=STEP_16 + 1e-4)
    assert np.abs(sound - sf.read(song)[0]).max() > 0.01


@pytest.mark.slow
def test_what_is_no_sound_stops_only_itself(script, song, capsys):
    bad = song.with_name("bad.mp3")
    bad.write_bytes(b"no sound")
    script("separate_folder", song.parent / "stems", bad, song)
    paths = [song.parent / "stems" / f"song.{stem}.flac" for stem in ("vocals", "beat")]
    assert sorted((song.parent / "stems").iterdir()) == sorted(paths)
    said = capsys.readouterr()
    assert f"vocals: {paths[0]}, beat: {paths[1]}" in said.out
    assert f"{bad} can't be read as sound" in said.err
    assert "100%" in said.err


def test_a_model_of_one_s_own(script, song, capsys):
    script("own_model", song)
    middle = sf.read(song)[0].mean(axis=1)
    sound = sf.read(song.with_name("song.vocals.wav"))[0]
    # At its own rate of 44.1 kHz, and back.
    assert np.abs(sound[:, 0] - sound[:, 1]).max() < 1e-6
    assert np.std(sound[:, 0] - middle) < 0.05 * np.std(middle)
    assert "beat: " in capsys.readouterr().out


@pytest.mark.slow
def test_a_song_is_played_by_a_live_player(script, song, capsys):
    target = song.with_name("played.wav")
    script("live_player", song, target, 1.0)
    played, rate = sf.read(target)
    assert rate == 44_100
    assert len(played) >= 44_100
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("model ")
    assert re.fullmatch(r"1\.\d s by \w+, \d+ blocks missed", last)
    # The beat and a tenth of the vocals, from the song's first sample on.
    original = streamsep.separate(sf.read(song)[0].T, RATE)
    assert np.corrcoef(played[4_410:22_050, 0], resampled(original)[4_410:22_050])[0, 1] > 0.95


def resampled(stems):
    mixed = stems["beat"] + 0.1 * stems["vocals"]
    return soxr.resample(mixed[0], RATE, 44_100)
