"""An hour of sound takes the memory of a minute."""

import os
import subprocess

import numpy as np
import soundfile as sf

from tests.support import models
from tests.support.commands import COMMAND, without_sound

RATE = 8_000  # an hour in seconds
MINUTE = 0.1 * np.sin(0.3 * np.arange(60 * RATE)).astype(np.float32)
# The hour is 115 MB as float32, and two stems of it twice that; what malloc keeps is far less.
ROOM_MB = 20.0


def peak_mb(song, model):
    """Separate a file in a process of its own and return its peak resident memory."""
    process = subprocess.Popen(
        [*COMMAND, "separate", str(song), "--model", str(model)], env=without_sound(),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


def test_an_hour_takes_the_memory_of_a_minute(tmp_path):
    model = models.constant_mask(
        tmp_path / "half.onnx", 0.5, sample_rate=RATE, n_fft=8192, hop_length=4096
    )
    songs = {minutes: tmp_path / f"{minutes}.flac" for minutes in (1, 60)}
    for minutes, song in songs.items():
        with sf.SoundFile(song, "w", RATE, 1, format="FLAC") as file:
            for _ in range(minutes):
                file.write(MINUTE)
    short, long = (peak_mb(song, model) for song in songs.values())
    assert long < short + ROOM_MB
    for stem in ("vocals", "beat"):
        assert sf.info(tmp_path / f"60.{stem}.wav").frames == 60 * len(MINUTE)
