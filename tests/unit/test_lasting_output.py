"""What becomes of the work when nobody reads what is printed, or it can't be written."""

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import soundfile as sf

from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, PATIENCE_S, without_sound

pytestmark = pytest.mark.slow  # as a whole

SECONDS = 3.0
# Of the shell's: what stands behind the command.
FATES = {
    "the reader leaves": "| head -n 1 >/dev/null",
    "a reader of both leaves": "2>&1 | head -n 1 >/dev/null",
    "a full disk": ">/dev/full",
    "a full disk for both": ">/dev/full 2>&1",
    "closed": ">&-",
    "both closed": ">&- 2>&-",
}


def run(command: list, fate: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that ends with its exit code, not with the reader's."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {fate}; exit ${{PIPESTATUS[0]}}', "bash", *map(str, command)],
        env=without_sound(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(SECONDS).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.mark.parametrize("shown", one_of_many(["--plain", "--json"]))
@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_music_and_recording_go_on_to_the_end(song, identity_model, tmp_path, shown, fate):
    take = tmp_path / "take.wav"
    files = ["--input", song, "--output", "null", "--record", take]
    done = run([*COMMAND, "live", *files, "--model", identity_model, shown], fate)
    assert done.returncode == 0, done.stderr
    assert sf.info(take).duration == pytest.approx(SECONDS, abs=0.01)
    assert "Traceback" not in done.stderr
    said = "streamsep: standard output can't be written (No space left on device): going on without"
    assert (said in done.stderr.splitlines()) == (fate == FATES["a full disk"])


@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")], ids="+".join)
def test_a_reader_that_stands_still_holds_nothing_up(song, identity_model, tmp_path, streams, end):
    """The pipe is full before the first line; as with a terminal held by Ctrl-S."""
    take = tmp_path / "take.wav"
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4_096))
    fcntl.fcntl(writing, fcntl.F_SETFL, 0)
    arguments = ["live", "--input", song, "--output", "null", "--record", take, "--json"]
    process = subprocess.Popen(
        [*COMMAND, *map(str, [*arguments, "--model", identity_model])],
        env=without_sound(),
        stdout=writing,
        stderr=writing if "stderr" in streams else subprocess.DEVNULL,
    )
    os.close(writing)
    if end is not None:
        wait_until(lambda: take.exists() and take.stat().st_size > 300_000, "a second of it")
        process.send_signal(end)
    assert process.wait(PATIENCE_S) == 0
    os.close(reading)
    if end is None:
        assert sf.info(take).duration == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
@pytest.mark.parametrize("arguments", [["models", "list"], ["--help"], ["nothing"]])
def test_no_command_ends_with_python_s_own_words(fate, arguments):
    done = run([sys.executable, "-m", "streamsep", *arguments], fate)
    assert done.returncode == (2 if arguments == ["nothing"] else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_stems_are_written_all_the_same(song, identity_model, tmp_path, fate):
    stems = tmp_path / "stems"
    done = run([*COMMAND, "separate", song, "-o", stems, "--model", identity_model], fate)
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in stems.glob("*.wav"))
    assert written == ["song.beat.wav", "song.vocals.wav"]
