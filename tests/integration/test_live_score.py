"""A score through real latencies: who sings exactly what is heard, when it is heard, has it all."""

import fcntl
import os
import re
import select
import subprocess
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile as sf

from testing.alignment import locate
from testing.singing import sing
from tests.integration.conftest import RATE
from tests.integration.takes import until_clean
from tests.support.commands import Live, Losses

# So that a note is over when it would be judged too late.
NOTE_S = 0.16
FAST = [(note, NOTE_S) for note in (60, 65, 62, 68, 63, 58)]

FRAME, PIPE = 8, 2 * select.PIPE_BUF  # bytes: the least and the most that wait
LATE_S = 0.5 * NOTE_S
NEAR_S = 0.4  # less than half of a round of the tune


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """One that is all voice, so that its beat, by a model that halves it, is a voice too."""
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    sf.write(path, np.stack([sing(FAST, 12.0)] * 2, axis=-1), RATE)
    return path


@contextmanager
def ear(server):
    """Have whoever listens to A.monitor hear what is played on B, as a singer does.

    Through two programs, of whose pipe the server doesn't know: through a loop of its own our
    microphone would be refused. What one of them is too slow for is left out, or all after it
    would be late.
    """
    how = "--raw", "--format=float32le", "--rate=44100", "--channels=2", "--latency-msec=10"
    with (
        subprocess.Popen(
            ["parec", "--device=B.monitor", *how], env=server.env(), stdout=subprocess.PIPE
        ) as hears,
        subprocess.Popen(
            ["pacat", "--device=A", *how], env=server.env(), stdin=subprocess.PIPE, bufsize=0
        ) as sings,
    ):
        fcntl.fcntl(sings.stdin, fcntl.F_SETPIPE_SZ, PIPE)
        os.set_blocking(sings.stdin.fileno(), False)
        passing = threading.Thread(target=pass_on, args=(hears.stdout, sings.stdin))
        passing.start()
        try:
            yield
        finally:
            hears.kill()
            passing.join()
            sings.kill()


def pass_on(source, target):
    sound = b""
    while data := os.read(source.fileno(), select.PIPE_BUF):
        sound += data
        while len(sound) >= FRAME:
            part = sound[: min(len(sound), select.PIPE_BUF) // FRAME * FRAME]
            sound = sound[len(part) :]
            target.write(part)  # as a whole, or not at all


def lateness_s(place, way_s):
    """How much later at most than by the reported way the voice is in what the microphone heard."""
    beat, mic = (
        sf.read(place / f"take.{bus}.wav", dtype="float32", always_2d=True)[0][:, 0]
        for bus in ("beat", "mic")
    )
    most = 0.0
    for begin in range(2 * RATE, len(beat) - 3 * RATE, 2 * RATE):
        due = begin + round((way_s - NEAR_S) * RATE)
        heard = mic[due : due + 2 * RATE + round(2 * NEAR_S * RATE)]
        late = locate(beat[begin : begin + 2 * RATE], heard, least=0.0) / RATE - NEAR_S
        most = max(most, abs(late))
    return most


def test_who_sings_what_is_heard_when_it_is_heard_has_it_all(server, song, half_model, tmp_path):
    """That comes back long after the vocals left the session: by more than a note."""

    def take(number):
        place = tmp_path / f"take{number}"
        place.mkdir()
        with (
            ear(server),
            Live(
                place,
                *("--input", song, "--output", "pulse", "--mic", "pulse", "--score"),
                *("--voice-effects", "room", "--mic-gain", "-inf", "--model", half_model),
                *("--record", place / "take.wav", "--record-stems", "beat,mic"),
                *("--block", 2_048),
                env=server.env(source="A.monitor", sink="B"),
            ) as live,
        ):
            live.wait_until_running()
            assert live.wait() == 0, live.stderr
        way = re.findall(r"^microphone: (\d+) ms from voice to output$", live.stdout, re.M)
        (way_ms,) = map(int, way)
        # What the singer hears late on a busy machine, from the server, is sung as late.
        return Losses(lateness_s(place, way_ms / 1e3) > LATE_S), (way_ms, live.stdout)

    way_ms, said = until_clean(take)
    assert way_ms > 90
    (percent,) = re.findall(r"^score of 100: mic (\d+)$", said, re.M)
    # Blocks of chance phase on the way, and notes as short: by chance it is 10 or less.
    assert int(percent) >= 50, said
