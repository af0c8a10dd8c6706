"""What stems were made from: known by the song, the model and the options, not by two clocks."""

import json
import os
import shutil
import time
from dataclasses import asdict

import numpy as np
import pytest
import soundfile as sf

from streamsep.models import BUILTIN, find_model
from streamsep.models.integrity import model_files
from streamsep.offline.made_from import RECORDS, MadeFrom, StemRecords, model_mark, note_made
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast

FACTS = MadeFrom(1_000, 1_700_000_000.5, "live-1", {"gain_db": 0.0, "bits": 24})


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100)
    return tmp_path / "song.wav"


def separate(command, song, model, *options):
    """Return whether it was done anew."""
    done = command("separate", song, "--model", model, *options)
    assert done.code == 0, done.stderr
    anew = "song.beat" in done.stdout
    assert anew != ("done before" in done.stderr)
    return anew


@pytest.mark.parametrize("days", [-20_000, -2, 2, 20_000])
def test_a_song_of_any_date_is_done_once(command, song, half_model, days):
    os.utime(song, (time.time() + 86_400 * days,) * 2)
    assert separate(command, song, half_model)
    assert not separate(command, song, half_model)


@pytest.mark.parametrize("days", [-2, 0, 2])
def test_stems_of_any_date_are_done(command, song, half_model, days):
    assert separate(command, song, half_model)
    for stem in song.parent.glob("song.*.wav"):
        os.utime(stem, (time.time() + 86_400 * days,) * 2)
    assert not separate(command, song, half_model)


@pytest.mark.parametrize("coarse_s", [1, 2])
def test_file_systems_with_coarse_times_change_nothing(command, song, half_model, coarse_s):
    os.utime(song, (1_700_000_001.75,) * 2)
    assert separate(command, song, half_model)
    os.utime(song, (1_700_000_001.75 // coarse_s * coarse_s,) * 2)
    assert not separate(command, song, half_model)


@pytest.mark.parametrize(
    "options",
    one_fast([["--gain", "-3"], ["--bits", "16"], ["--bits", "32"], ["--model"]]),
    ids=" ".join,
)
def test_what_changes_the_stems_does_them_anew(command, song, half_model, tmp_path, options):
    assert separate(command, song, half_model)
    if options == ["--model"]:
        other = models.constant_mask(tmp_path / "other.onnx", 0.25)
        assert separate(command, song, other)
        assert not separate(command, song, other)
    else:
        assert separate(command, song, half_model, *options)
        assert not separate(command, song, half_model, *options)
    assert separate(command, song, half_model)  # and back


def test_another_song_of_the_same_name_and_length_is_done_anew(command, song, half_model):
    assert separate(command, song, half_model)
    sf.write(song, music(1.0, seed=2).T, 44_100)
    assert separate(command, song, half_model)


def test_files_of_others_under_the_stems_names_are_left_alone(command, song, half_model):
    beat = song.with_suffix(".beat.wav")
    beat.write_bytes(b"mine")
    done = command("separate", song, "--model", half_model)
    assert "1 left alone, as their stems' names are those of other files" in done.stderr
    assert beat.read_bytes() == b"mine"
    assert separate(command, song, half_model, "--overwrite")


@pytest.mark.parametrize("name", BUILTIN)
def test_a_model_is_known_by_all_its_files(tmp_path, name):
    mark = model_mark(find_model(name))
    for changed in model_files(find_model(name)):
        folder = tmp_path / changed.name
        folder.mkdir()
        for path in model_files(find_model(name)):
            shutil.copy(path, folder)
        assert model_mark(folder / find_model(name).name) == mark
        model_mark.cache_clear()
        with (folder / changed.name).open("ab") as file:
            file.write(b"\x72\x02\x0a\x00")  # an empty entry of its metadata
        assert model_mark(folder / find_model(name).name) != mark


class TestRecords:
    def test_they_outlast_the_program(self, tmp_path):
        stem = tmp_path / "song.beat.wav"
        stem.touch()
        note_made([stem], FACTS)
        assert StemRecords().of(stem).is_same(FACTS)

    @pytest.mark.parametrize(
        "line", ["", "no JSON", "[]", '{"stem": 3}', '{"stem": "song.beat.wav"}', "\udcff"]
    )
    def test_lines_that_are_none_are_passed_over(self, tmp_path, line):
        stem = tmp_path / "song.beat.wav"
        stem.touch()
        note_made([stem], FACTS)
        with (tmp_path / RECORDS).open("ab") as file:
            file.write(line.encode(errors="surrogateescape") + b"\n")
        assert StemRecords().of(stem).is_same(FACTS)

    def test_a_stem_that_is_gone_is_unknown(self, tmp_path):
        stem = tmp_path / "song.beat.wav"
        note_made([stem], FACTS)
        assert StemRecords().of(stem) is None

    def test_they_don_t_grow_for_ever(self, tmp_path):
        stem = tmp_path / "song.beat.wav"
        stem.touch()
        for number in range(300):
            note_made([stem], MadeFrom(number, 0.5, "live-1", {}))
        assert (tmp_path / RECORDS).read_bytes().count(b"\n") <= 101
        assert StemRecords().of(stem).size == 299

    def test_where_they_can_t_be_written_it_isn_t_known(self, tmp_path):
        (tmp_path / RECORDS).mkdir()
        (tmp_path / "song.beat.wav").touch()
        note_made([tmp_path / "song.beat.wav"], FACTS)
        assert StemRecords().of(tmp_path / "song.beat.wav") is None

    def test_what_they_hold_is_read_as_data(self, tmp_path):
        (tmp_path / "song.beat.wav").touch()
        record = {"stem": "song.beat.wav", **asdict(FACTS)}
        for field, value in [("size", "x"), ("model", 1), ("options", [])]:
            (tmp_path / RECORDS).write_text(json.dumps(record | {field: value}) + "\n")
            assert not StemRecords().of(tmp_path / "song.beat.wav").is_same(FACTS)

    @pytest.mark.parametrize("time_s", ["now", None, [], float("nan"), float("inf")])
    def test_a_time_that_is_none_is_no_record(self, tmp_path, time_s):
        (tmp_path / "song.beat.wav").touch()
        record = {"stem": "song.beat.wav", **asdict(FACTS), "time_s": time_s}
        (tmp_path / RECORDS).write_text(json.dumps(record) + "\n")
        assert StemRecords().of(tmp_path / "song.beat.wav") is None


def test_times_are_compared_as_exactly_as_they_are_kept():
    def at(time_s):
        return MadeFrom(1, time_s, "m", {})

    assert at(10.25).is_same(at(10.25))
    assert not at(10.25).is_same(at(10.26))
    assert at(10.25).is_same(at(10.0))
    assert not at(10.25).is_same(at(13.0))
    assert np.isfinite(at(10.25).time_s)
