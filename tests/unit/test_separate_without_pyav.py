"""``streamsep separate`` where the extra ``media`` isn't installed."""

import subprocess
import sys

import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "made" / "song.wav"
    path.parent.mkdir()
    sf.write(path, music(2.0, sample_rate=48_000).T, 48_000, subtype="FLOAT")
    return path


@pytest.fixture
def light(half_model):
    def run(*arguments):
        code = (
            "import sys; sys.modules['av'] = None\n"
            f"given = ['--model', {str(half_model)!r}, *sys.argv[1:]]\n"
            "sys.argv = ['streamsep', 'separate', *given]\n"
            "from streamsep.cli import main; main()"
        )
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
        )

    return run


@pytest.mark.parametrize("form", one_fast(["flac", "mp3"]))
def test_what_libsndfile_knows_needs_none(tmp_path, song, light, form):
    ffmpeg("-i", song, "-metadata", "title=Light", tmp_path / "song.flac")
    done = light(tmp_path / "song.flac", "--format", form, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with AudioReader(tmp_path / "out" / f"song.beat.{form}") as reader:
        assert (reader.frames, reader.tags["title"]) == (96_000, "Light")


@pytest.mark.slow
def test_the_rest_names_the_extra(tmp_path, song, light):
    ffmpeg("-i", song, tmp_path / "song.m4a")
    done = light(tmp_path / "song.m4a")
    assert done.returncode == 3
    assert (
        "can't be read as sound (Format not recognised.); expected WAV, FLAC, OGG or MP3; "
        "pip install 'streamsep[media]' for other formats, or convert it first, e.g."
    ) in done.stderr
    done = light(song, "--format", "m4a")
    assert done.returncode == 4
    assert "expected the extra 'media' to be installed" in done.stderr
    assert not list(song.parent.glob(".*part*"))
