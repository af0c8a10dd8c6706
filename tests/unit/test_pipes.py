"""Sound that comes through pipes: standard input, FIFOs, and what a shell puts for <(…)."""

import os
import subprocess

import numpy as np
import pytest
import soundfile as sf

from testing.servers import PATIENCE_S
from testing.signals import music
from tests.support.commands import COMMAND, ffmpeg, without_sound

pytestmark = pytest.mark.slow  # as a whole

RATE, SECONDS = 44_100, 3.0
# By ffmpeg's names: what can be written to a pipe, and how exact it is.
FORMS = {
    "flac": ([], 1e-4),
    "ogg": (["-q:a", "8"], 0.2),
    "mp3": (["-b:a", "256k"], 0.2),
    "matroska": (["-c:a", "flac"], 1e-4),
    "mpegts": (["-c:a", "aac"], 0.3),
    "aiff": ([], 1e-4),
    "au": ([], 1e-4),
    "adts": (["-c:a", "aac"], 0.3),
}
WAYS = {
    "standard input": "cat song.{form} | {streamsep} {before} - {after}",
    "a redirection": "{streamsep} {before} - {after} < song.{form}",
    "<(…)": "{streamsep} {before} <(cat song.{form}) {after}",
    "a FIFO": "mkfifo pipe; cat song.{form} > pipe & {streamsep} {before} pipe {after}",
    "a slow FIFO": "mkfifo pipe; (sleep 1; head -c 20000; sleep 1; cat) < song.{form} > pipe & "
    "{streamsep} {before} pipe {after}",
}


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(SECONDS).T, RATE)
    return tmp_path / "song.wav"


def bash(script, folder):
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=without_sound() | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def separated(song, model, way, form):
    after = f"-o 'out.{{stem}}.wav' --bits 32 --model {model}"
    streamsep = " ".join(COMMAND)
    script = WAYS[way].format(form=form, streamsep=streamsep, before="separate", after="{after}")
    return bash(script.replace("{after}", after), song.parent)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_read_as_it_comes(song, half_model, way):
    done = separated(song, half_model, way, "wav")
    assert done.returncode == 0, done.stderr
    whole = sf.read(song, dtype="float32")[0]
    for stem in ("beat", "vocals"):
        sound = sf.read(song.parent / f"out.{stem}.wav", dtype="float32")[0]
        np.testing.assert_allclose(sound, 0.5 * whole, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_whatever_can_be_written_to_a_pipe(song, half_model, form):
    options, tolerance = FORMS[form]
    ffmpeg("-i", song, *options, "-f", form, song.with_suffix(f".{form}"))
    done = separated(song, half_model, "standard input", form)
    assert done.returncode == 0, done.stderr
    sound = sf.read(song.parent / "out.beat.wav")[0]
    whole = sf.read(song)[0]
    # Encoders add less than a tenth of a second.
    assert len(whole) <= len(sound) < len(whole) + 0.1 * RATE
    if tolerance < 0.1:
        np.testing.assert_allclose(sound[: len(whole)], 0.5 * whole, atol=tolerance)


@pytest.mark.parametrize("content", [b"", b"no sound at all\n" * 100, b"RIFF"])
def test_what_is_no_sound_is_one_line(tmp_path, half_model, content):
    (tmp_path / "song.wav").write_bytes(content)
    done = separated(tmp_path / "song.wav", half_model, "standard input", "wav")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize("way", WAYS)
def test_live_plays_what_comes_through_it(song, identity_model, way):
    streamsep = " ".join(COMMAND)
    after = f"--output null --record take.wav --model {identity_model}"
    script = WAYS[way].format(form="wav", streamsep=streamsep, before="live --input", after=after)
    done = bash(script, song.parent)
    assert done.returncode == 0, done.stderr
    assert sf.info(song.parent / "take.wav").duration == pytest.approx(SECONDS, abs=0.01)
