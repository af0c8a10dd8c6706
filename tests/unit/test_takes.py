"""Recordings own their names: an older take stays, whatever becomes of a new one."""

import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.recorder import Recorder
from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, PATIENCE_S, Live, streamsep, without_sound

pytestmark = pytest.mark.slow  # as a whole

RATE = 44_100
ENDS = [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(20.0).T, RATE, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.fixture
def older(tmp_path):
    """An older take, and its content."""
    path = tmp_path / "take.wav"
    sf.write(path, music(1.0, seed=9).T, RATE)
    return path, path.read_bytes()


def recorder(path, **options):
    return Recorder(path, RATE, 2, block_size=512, **options)


def record(path, **options):
    """Record a second of silence; return the recorder, closed."""
    found = recorder(path, **options)
    for _ in range(RATE // 512):
        found.push(np.zeros((2, 512), np.float32))
    found.close()
    return found


class TestNames:
    def test_an_older_take_stays_and_the_new_one_gets_a_number(self, tmp_path, older):
        path, content = older
        assert record(path).path == tmp_path / "take-2.wav"
        assert record(path).path == tmp_path / "take-3.wav"
        assert path.read_bytes() == content

    def test_two_at_once_get_two_names(self, tmp_path):
        one, two = recorder(tmp_path / "take.wav"), recorder(tmp_path / "take.wav")
        assert one.path != two.path
        one.close()
        two.close()
        assert list(tmp_path.iterdir()) == []  # nothing was recorded

    def test_asked_to_it_replaces_the_older_one_at_its_end(self, older):
        path, content = older
        running = recorder(path, overwrite=True)
        running.push(np.zeros((2, 512), np.float32))
        wait_until(lambda: running.written, "the first samples")
        assert path.read_bytes() == content
        running.close()
        assert running.path == path
        assert path.read_bytes() != content

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_where_nothing_was_recorded_the_older_one_stays(self, tmp_path, older, overwrite):
        path, content = older
        recorder(path, overwrite=overwrite).close()
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]

    def test_what_is_no_file_is_written_as_it_is(self, tmp_path):
        os.symlink("/dev/null", tmp_path / "take.wav")  # for its suffix
        record(tmp_path / "take.wav")
        assert os.path.realpath(tmp_path / "take.wav") == "/dev/null"


@pytest.mark.parametrize("option", one_of_many(["--record", "--output"]))
@pytest.mark.parametrize(
    "extra",
    [["--mic", "theremin"], ["--model", "nothing.onnx"], ["--lyrics", "no.lrc"], ["--key", "1"]],
    ids=lambda extra: extra[0],
)
def test_a_start_that_fails_leaves_the_older_take(
    song, identity_model, older, tmp_path, option, extra
):
    path, content = older
    output = ["--output", "null"] if option == "--record" else []
    model = [] if "--model" in extra else ["--model", identity_model]
    stems = ["--record-stems", "nothing"] if "--key" in extra else []
    record_to = ["--record", tmp_path / "more.wav"] if stems and option == "--output" else []
    done = streamsep(
        "live",
        "--input",
        song,
        *output,
        option,
        path,
        *record_to,
        *model,
        *extra,
        *stems,
        "--overwrite",
    )
    assert done.returncode not in (0, 1)
    assert path.read_bytes() == content
    assert {each.name for each in tmp_path.glob("take*")} == {"take.wav"}


@pytest.mark.parametrize("number", one_of_many(ENDS, 2))
@pytest.mark.parametrize("delay_s", [0.1, 0.5, 2.0])
def test_an_early_end_leaves_the_older_take(song, identity_model, older, tmp_path, number, delay_s):
    path, content = older
    process = subprocess.Popen(
        [
            *(*COMMAND, "live", "--input", str(song), "--output", "null"),
            *("--record", str(path), "--model", str(identity_model)),
        ],
        env=without_sound(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(delay_s)
    process.send_signal(number)
    process.wait(PATIENCE_S)
    assert path.read_bytes() == content


@pytest.mark.parametrize("number", one_of_many(ENDS, 2))
@pytest.mark.parametrize("suffix", one_of_many([".wav", ".ogg", ".flac"], 2))
def test_a_take_plays_whatever_ends_it(song, identity_model, tmp_path, number, suffix):
    take = tmp_path / f"take{suffix}"
    with Live(
        tmp_path, "--input", song, "--output", "null", "--record", take, "--model", identity_model
    ) as live:
        live.wait_until_running()
        # Of a killed process the latest page of Ogg and what an encoder holds is lost.
        time.sleep(4.0)
        code = live.end(number)
    assert code == (-number if number == signal.SIGKILL else 0)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", take, "-f", "f32le", "-"], capture_output=True
    )
    assert len(done.stdout) / 8 / RATE > 1.5


@pytest.mark.parametrize("make", [os.link, os.symlink])
@pytest.mark.parametrize("option", ["--record", "--output"])
def test_the_song_that_plays_is_never_written_over(song, identity_model, tmp_path, make, option):
    content = song.read_bytes()
    make(song, tmp_path / "other.wav")
    output = ["--output", "null"] if option == "--record" else []
    for overwrite in ([], ["--overwrite"]):
        done = streamsep(
            *("live", "--input", song, *output, option, tmp_path / "other.wav", *overwrite),
            *("--model", identity_model),
        )
        assert done.returncode == 4
        assert "is needed for something else already" in done.stderr
    assert song.read_bytes() == content


def test_the_other_name_is_said(song, identity_model, older):
    path, _ = older
    done = streamsep(
        *("live", "--input", song, "--output", "null", "--record", path, "--seconds", 0.5),
        *("--model", identity_model),
    )
    assert done.returncode == 0
    assert re.match(
        rf"{path} is there already: the recording goes to \S+/take-2.wav \(--overwrite\)\n",
        done.stderr,
    )
