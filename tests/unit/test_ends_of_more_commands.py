"""All other commands and forms: nobody reads what they print, and something ends them."""

import os
import re
import signal
import subprocess
import time

import pytest
import soundfile as sf

from streamsep.audio.files.part_files import is_part_file
from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, PATIENCE_S, ffmpeg, limit_files, without_sound

pytestmark = pytest.mark.slow  # as a whole

RATE = 44_100
OLDER = b"what was there before"
FATES = {
    "the reader leaves": "2>&1 | head -n 1 >/dev/null",
    "a full disk": ">/dev/full 2>&1",
    "closed": ">&- 2>&-",
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    sf.write(folder / "song.wav", music(1.0).T, RATE)
    long = [folder / "long.wav", folder / "clip.mkv"]
    ffmpeg("-stream_loop", 90, "-i", folder / "song.wav", "-c", "copy", long[0])
    picture = ("-f", "lavfi", "-i", "testsrc=d=90:s=64x48:r=5")
    ffmpeg(*picture, "-i", long[0], "-c:v", "ffv1", "-c:a", "copy", "-shortest", long[1])
    for name in ("vocals", "accompaniment"):
        (folder / "songs" / "one").mkdir(parents=True, exist_ok=True)
        sf.write(folder / "songs" / "one" / f"{name}.wav", music(1.0).T, RATE)
    return folder


@pytest.fixture
def place(sounds, tmp_path):
    for path in sounds.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize("fate", one_of_many(FATES.values(), 2), ids=FATES)
@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["inspect", "song.wav", "-o", "song.png"], "song.png"),
        (["evaluate", "songs", "--no-museval", "--report", "report"], "report/index.html"),
        (["doctor", "--input", "song.wav", "--output", "null"], None),
        (["devices"], None),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else None,
)
def test_what_they_are_for_is_done_all_the_same(place, half_model, fate, arguments, written):
    model = [] if arguments == ["devices"] else ["--model", str(half_model)]
    script = f'"$@" {fate}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *arguments, *model],
        cwd=place,
        env=without_sound() | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    # To the doctor this machine may be too slow at this moment.
    assert done.returncode in ((0, 1) if "doctor" in arguments else (0,))
    assert done.stderr == ""
    assert written is None or (place / written).exists()


FORMS = {
    "a stem file": ["long.wav", "--format", "stem.m4a"],
    "a video": ["clip.mkv"],
    "several at a time": ["long.wav", "clip.mkv", "--jobs", "2", "--format", "flac"],
    "by a process of its own": ["long.wav", "--sandbox"],
}
TARGETS = {
    "a stem file": ["long.stem.m4a"],
    "a video": ["clip.beat.mkv"],
    "several at a time": ["long.beat.flac", "clip.beat.flac"],
    "by a process of its own": ["long.beat.wav", "long.vocals.wav"],
}
ENDS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL, "a full disk"]


def parts_in(folder):
    return [path for path in folder.iterdir() if is_part_file(path)]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: getattr(end, "name", end))
@pytest.mark.parametrize("form", one_of_many(FORMS))
def test_every_form_is_there_whole_or_as_it_was(place, half_model, form, end):
    for target in TARGETS[form]:
        (place / target).write_bytes(OLDER)
    process = subprocess.Popen(
        [*COMMAND, "separate", *FORMS[form], "--overwrite", "--model", str(half_model)],
        cwd=place,
        env=without_sound() | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=limit_files(200_000 if end == "a full disk" else None),
    )
    if isinstance(end, signal.Signals):
        wait_until(lambda: parts_in(place) or process.poll() is not None, "what it writes")
        time.sleep(0.1)
        process.send_signal(end)
    code = process.wait(PATIENCE_S)
    done = [(place / target).read_bytes() != OLDER for target in TARGETS[form]]
    if code == 0:  # it was done before it was ended
        assert all(done)
    elif end == "a full disk":
        assert (code, any(done)) == (4, False)
    for target, whole in zip(TARGETS[form], done, strict=True):
        assert not whole or is_whole(place / target)
    if end == signal.SIGKILL:
        wait_until(lambda: not held(place), "the end of all its processes")
    else:
        assert parts_in(place) == []


def held(place):
    """Say whether somebody still writes."""
    before = [path.stat().st_size for path in parts_in(place)]
    time.sleep(0.3)
    return before != [path.stat().st_size for path in parts_in(place)]


def is_whole(path):
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True
    )
    return (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", one_of_many([signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
@pytest.mark.parametrize("fate", ["read", "closed"])
def test_a_party_whose_reader_has_gone_goes_on_until_it_is_ended(
    place, identity_model, number, fate
):
    options = ["--output", "null", "--port", "0", "--no-key", "--cache-size", "0"]
    process = subprocess.Popen(
        [*COMMAND, "party", "songs", *options, "--model", str(identity_model)],
        cwd=place,
        env=without_sound() | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    assert re.match(r"guests: +http", lines[0]), process.stderr.read()
    if fate == "closed":
        process.stdout.close()
        process.stderr.close()
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    for stream in (process.stdout, process.stderr):
        stream.close()
