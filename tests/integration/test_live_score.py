"""A score through real latencies: who sings exactly what is heard, when it is heard, has it all."""

import re
import subprocess

import numpy as np
import pytest
import soundfile as sf

from testing.servers import wait_until
from testing.singing import sing
from tests.integration.conftest import RATE
from tests.support.commands import Live

# So that a note is over when it would be judged too late.
FAST = [(note, 0.16) for note in (60, 65, 62, 68, 63, 58)]


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """One that is all voice, so that its beat, by a model that halves it, is a voice too."""
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    sf.write(path, np.stack([sing(FAST, 12.0)] * 2, axis=-1), RATE)
    return path


@pytest.fixture
def ear(server):
    """Have whoever listens to A.monitor hear what is played on B, as a singer does.

    Through two programs, of whose pipe the server doesn't know: through a loop of its own our
    microphone would be refused.
    """
    how = "--raw", "--format=float32le", "--rate=44100", "--channels=2", "--latency-msec=20"
    hears = subprocess.Popen(
        ["parec", "--device=B.monitor", *how], env=server.env(), stdout=subprocess.PIPE
    )
    sings = subprocess.Popen(["pacat", "--device=A", *how], env=server.env(), stdin=hears.stdout)
    hears.stdout.close()  # the other one's now
    yield
    for program in (hears, sings):
        program.kill()
        program.wait()


def test_who_sings_what_is_heard_when_it_is_heard_has_it_all(
    server, ear, song, half_model, tmp_path
):
    """That comes back long after the vocals left the session: by more than a note."""
    with Live(
        tmp_path,
        *("--input", song, "--output", "pulse", "--mic", "pulse", "--score"),
        *("--voice-effects", "room", "--mic-gain", "-inf", "--model", half_model),
        *("--block", 4_096),
        env=server.env(source="A.monitor", sink="B"),
    ) as live:
        live.wait_until_running()
        wait_until(lambda: live.process.poll() is not None, "the end of the song")
    assert live.process.returncode == 0, live.stderr
    (way_ms,) = re.findall(r"^microphone: (\d+) ms from voice to output$", live.stdout, re.M)
    assert int(way_ms) > 160
    (percent,) = re.findall(r"^score of 100: mic (\d+)$", live.stdout, re.M)
    # Blocks of chance phase on the way, and notes as short: by chance it is 10 or less.
    assert int(percent) >= 50, live.stdout
