"""Folders with nothing in them to separate beside what there is, and what nobody named."""

import os

import pytest
import soundfile as sf

from streamsep.cli.inspect import _target
from streamsep.errors import AudioFileError, OutputError
from streamsep.offline.song_search import find_input_files
from testing.signals import music


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "notes", "music"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notes" / "read.me").touch()
    (tmp_path / "music" / "song.wav").touch()
    return tmp_path


def found(*names):
    files = find_input_files(names)
    return [str(song.path) for song in files.files], files.left_out_lines


def test_an_empty_folder_keeps_no_other_song_from_being_done(here):
    assert found("empty", "music", "notes") == (
        ["music/song.wav"],
        [
            "left out, as of an unknown kind: notes/read.me",
            "left out, as without sound: empty, notes",
        ],
    )


def test_of_empty_folders_alone_the_first_is_an_error(here):
    with pytest.raises(AudioFileError, match="the folder empty holds no sound files"):
        find_input_files(["empty", "notes"])


def test_a_pipe_that_a_glob_finds_isn_t_waited_for(here):
    os.mkfifo("music/pipe.wav")
    assert found("music/*") == (
        ["music/song.wav"],
        ["left out, as unreadable: music/pipe.wav"],
    )
    assert found("music/pipe.wav")[0] == ["music/pipe.wav"]


def test_stems_of_an_earlier_run_are_none_of_the_songs_wherever_they_go_now(
    command, tmp_path, half_model
):
    song = tmp_path / "music" / "song.wav"
    song.parent.mkdir()
    sf.write(song, music(0.3).T, 44_100)
    assert command("separate", song.parent, "--model", half_model).code == 0
    done = command("separate", song.parent, "-o", tmp_path / "out", "--model", half_model)
    assert done.code == 0
    assert "2 left out, as stems of others" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == [
        "song.beat.wav",
        "song.vocals.wav",
    ]
    song.unlink()  # and by themselves they are songs
    done = command("separate", song.parent, "-o", tmp_path / "more", "--model", half_model)
    assert (done.code, len(list((tmp_path / "more").glob("*.wav")))) == (0, 4)


@pytest.mark.parametrize(
    "name", ["song.png", "./song.png", "hard.png", "soft.png", "SONG/../song.png"]
)
def test_a_picture_is_never_put_in_the_place_of_the_song(here, name):
    song = here / "song.png"  # a suffix says nothing
    song.write_bytes(b"sound")
    os.link(song, "hard.png")
    os.symlink(song, "soft.png")
    os.mkdir("SONG")
    with pytest.raises(OutputError, match="is the file to look at itself"):
        _target(song, here / name)
