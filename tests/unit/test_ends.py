"""However a command ends: under a file's name is all of it, or what was there before."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from streamsep.app_folder import app_folder
from streamsep.audio.files.part_files import is_part_file, whole_file
from streamsep.errors import OutputError
from streamsep.models import imported_path
from streamsep.models.integrity import is_intact
from testing.servers import wait_until
from testing.signals import music
from tests.support import models
from tests.support.commands import COMMAND, PATIENCE_S, limit_files, streamsep, without_sound

RATE = 44_100
OLDER = b"what was there before"
# What each writes, by command line; the song is long, so that an end comes in the middle.
COMMANDS = {
    "separate": (
        ["separate", "song.wav", "--overwrite"],
        ["song.beat.wav", "song.vocals.wav"],
    ),
    "separate to flac": (
        ["separate", "song.wav", "--overwrite", "--format", "flac"],
        ["song.beat.flac", "song.vocals.flac"],
    ),
    "separate to m4a": (
        ["separate", "song.wav", "--overwrite", "--format", "m4a"],
        ["song.beat.m4a", "song.vocals.m4a"],
    ),
    "inspect": (["inspect", "song.wav", "-o", "picture.png"], ["picture.png"]),
    "evaluate": (
        ["evaluate", "songs", "--report", "report", "--no-museval"],
        ["report/index.html", "report/scores.tsv", "report/one.png", "report/one.beat.ogg"],
    ),
}
ENDS = [
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGKILL,
    "a full disk",
    "a closed pipe",
]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    sf.write(folder / "song.wav", np.tile(music(5.0).T, (16, 1)), RATE)
    for name in ("vocals", "accompaniment"):
        sf.write(folder / f"{name}.wav", np.tile(music(5.0).T, (2, 1)), RATE)
    return folder


@pytest.fixture
def place(tmp_path, sounds):
    """A folder with a song, and older files under all names that are written."""
    os.link(sounds / "song.wav", tmp_path / "song.wav")
    (tmp_path / "songs" / "one").mkdir(parents=True)
    (tmp_path / "report").mkdir()
    for name in ("vocals", "accompaniment"):
        os.link(sounds / f"{name}.wav", tmp_path / "songs" / "one" / f"{name}.wav")
    for _, targets in COMMANDS.values():
        for target in targets:
            (tmp_path / target).write_bytes(OLDER)
    return tmp_path


def parts_in(folder):
    return [path.name for path in folder.rglob("*") if is_part_file(path)]


def is_whole(path: Path) -> bool:
    """Say whether a file is one of its kind to its end."""
    if path.suffix in (".html", ".tsv"):
        return path.read_text().endswith(("</html>\n", "\n"))
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True
    )
    return done.returncode == 0 and done.stderr == ""


def commands_and_ends():
    """All ends of one command; of others those that differ by the writer, and all in a soak."""
    for name in COMMANDS:
        for end in ENDS:
            alike = name != "separate" and end not in (signal.SIGKILL, ENDS[4])
            marks = [pytest.mark.soak] if alike else []
            yield pytest.param(name, end, id=f"{name}-{getattr(end, 'name', end)}", marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "end"), [*commands_and_ends()])
def test_what_was_there_stays_or_is_replaced_by_a_whole_file(place, half_model, name, end):
    arguments, targets = COMMANDS[name]
    largest = 200_000 if end == "a full disk" else None
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--model", str(half_model)],
        cwd=place,
        env=without_sound() | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=limit_files(largest),
    )
    process.stdout.close()  # nobody reads
    if isinstance(end, signal.Signals):
        wait_until(lambda: parts_in(place) or process.poll() is not None, "what it writes")
        time.sleep(0.1)
        process.send_signal(end)
    code = process.wait(PATIENCE_S)
    content = [(place / target).read_bytes() for target in targets]
    for target, data in zip(targets, content, strict=True):
        assert data == OLDER or is_whole(place / target), target
    if end != signal.SIGKILL:
        assert parts_in(place) == []
    if end == "a closed pipe":
        assert code == 0
    if largest is None and code == 0:
        assert OLDER not in content  # it was done before it was ended


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS, ids=lambda end: getattr(end, "name", end))
def test_a_model_is_taken_in_whole_or_not_at_all(tmp_path, half_model, end):
    big = tmp_path / "big.onnx"
    big.write_bytes(models.filler(100_000_000) + half_model.read_bytes())  # so that it takes time

    def taken_in():
        folder = imported_path("big").parent
        return folder.exists() and any(folder.iterdir())

    largest = 1_000_000 if end == "a full disk" else None
    process = subprocess.Popen(
        [*COMMAND, "models", "import", big],
        env=without_sound(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=limit_files(largest),
    )
    process.stdout.close()  # nobody reads
    if isinstance(end, signal.Signals):
        wait_until(lambda: taken_in() or process.poll() is not None, "the first of it")
        process.send_signal(end)
    code, path = process.wait(PATIENCE_S), imported_path("big")
    if path.exists():
        assert is_intact(path)
    if code == 0:
        assert path.exists()
    if largest is not None:
        assert code == OutputError.exit_code
    if end != signal.SIGKILL and path.parent.exists():
        assert not {*path.parent.iterdir()} - {path}


def test_a_configuration_is_written_whole_or_not_at_all():
    done = streamsep("config", "init", largest_file=100)
    assert done.returncode == OutputError.exit_code
    assert not [path for path in app_folder().rglob("*") if path.is_file()]


class TestWholeFile:
    def test_an_error_while_it_is_written_leaves_the_older_one(self, tmp_path):
        path = tmp_path / "x.txt"
        path.write_bytes(OLDER)
        with suppress(KeyError), whole_file(path) as part:
            part.write_text("half")
            raise KeyError
        assert path.read_bytes() == OLDER
        assert list(tmp_path.iterdir()) == [path]

    def test_one_of_the_system_s_names_the_target(self, tmp_path):
        path = tmp_path / "x.txt"

        def fail():
            with whole_file(path):
                raise OSError(28, "No space left on device")

        with pytest.raises(OutputError, match=r"x\.txt can't be written \(No space"):
            fail()
        assert list(tmp_path.iterdir()) == []
