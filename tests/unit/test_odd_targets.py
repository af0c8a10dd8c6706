"""Names that files to be written can't have: pipes, and one another where capitals don't count."""

import os
import sys
from pathlib import Path

import pytest
import soundfile as sf

from streamsep.audio.files.file_identity import file_identity
from streamsep.audio.files.part_files import whole_file
from streamsep.errors import OutputError
from testing.signals import music


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sf.write("song.wav", music(0.3).T, 44_100)
    return tmp_path


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".stem.m4a"])
def test_a_pipe_stays_one(command, here, half_model, suffix):
    """A file in its place would leave whoever reads it without one."""
    os.mkfifo(f"fifo{suffix}")
    stems = () if suffix == ".stem.m4a" else ("--stems", "beat")
    arguments = ("song.wav", *stems, "-o", f"fifo{suffix}", "--overwrite")
    done = command("separate", *arguments, "--model", half_model)
    assert done.code == 4
    assert f"fifo{suffix} can't be written (it is no file)" in done.stderr
    assert sorted(os.listdir()) == sorted([f"fifo{suffix}", "models", "song.wav"])
    assert Path(f"fifo{suffix}").is_fifo()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_before_anything_is_written(here, kind):
    os.mkdir("page.html") if kind == "folder" else os.mkfifo("page.html")
    with pytest.raises(OutputError, match="it is"), whole_file(Path("page.html")):
        pytest.fail("there is nothing to be written to")
    assert sorted(os.listdir()) == ["page.html", "song.wav"]


@pytest.mark.parametrize("arguments", [("separate",), ("inspect",)], ids="".join)
def test_standard_output_is_no_folder_called_so(command, here, half_model, arguments):
    done = command(*arguments, "song.wav", "-o", "-", "--model", half_model)
    assert done.code == 4
    assert "a folder '-' was asked for" in done.stderr
    assert not os.path.exists("-")


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (("inspect", "song.wav", "--model", "{model}"), "."),
        (("models", "import", "{model}", "--name", "new"), "config/streamsep/models"),
    ],
    ids=["inspect", "models import"],
)
def test_what_a_killed_run_left_goes_with_the_next_one(
    command, here, half_model, arguments, folder
):
    left = here / folder / ".new.123-0123abcd.part.onnx"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half of it")
    done = command(*(argument.format(model=half_model) for argument in arguments))
    assert done.code == 0, done.stderr
    assert not left.exists()


@pytest.mark.parametrize("pair", [("Song.wav", "song.WAV"), ("é.wav", "e\u0301.wav")])
def test_where_capitals_and_accents_don_t_count_names_are_one(here, monkeypatch, pair):
    first, second = map(Path, pair)
    assert file_identity(first) != file_identity(second)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert file_identity(first) == file_identity(second)
    assert file_identity(first) != file_identity(Path("another.wav"))
