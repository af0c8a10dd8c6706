"""Memory of whole runs: bounded, and of half an hour that of two minutes; through a real codec."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_writer import AudioWriter
from testing.signals import music
from tests.support import models
from tests.support.commands import PATIENCE_S, without_sound

RATE = 8_000
# What was kept of it would be 29 MB as samples of the file or 58 MB as a stem, of ten minutes
# 19 MB as a stem.
GROWTH_MB = 8.0
# Its own, in kB: what a parent is told of a child counts from the fork, with the parent's memory.
MAIN = """
import sys
from streamsep.cli import main
main()
sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
# What is promised; 264 are measured (docs/decisions/0044-memory.md). How full queues are makes 5,
# other releases of onnxruntime or numpy some more.
MOST_MB = 300e6 / 2**20
PCM_24 = 2.0**-23  # two stems, each rounded to 24 bits


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """FLAC files by their minutes."""
    folder = tmp_path_factory.mktemp("songs")
    minute = music(60.0, sample_rate=RATE, channels=1)
    found = {}
    for minutes in (2, 10, 30):
        found[minutes] = folder / f"{minutes}.flac"
        with AudioWriter(found[minutes], RATE, 1, bits=16) as writer:
            for _ in range(minutes):
                writer.write(minute)
    return found


def peak_mb(*arguments) -> float:
    """Run the command line and return the most memory it had at once."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        env=without_sound(),
        text=True,
        capture_output=True,
        timeout=3 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-2]) / 1024


@pytest.fixture
def model(tmp_path):
    """Few, long hops through a small graph: what is measured is ours."""
    spec = dict(sample_rate=RATE, channels=1, n_fft=16_384, hop_length=8_192)
    return models.constant_mask(tmp_path / "half.onnx", 0.5, **spec)


@pytest.mark.slow
def test_separating_half_an_hour_needs_no_more_memory_than_two_minutes(tmp_path, songs, model):
    short, long = (
        peak_mb("separate", songs[minutes], "-o", tmp_path, "--model", model) for minutes in (2, 30)
    )
    assert long < short + GROWTH_MB
    stems = [tmp_path / f"30.{stem}.wav" for stem in ("beat", "vocals")]
    assert [sf.info(stem).frames for stem in stems] == [1_800 * RATE] * 2
    # In the last minute, between two of the pieces that were read.
    place = dict(start=1_750 * RATE + 123, frames=20_000)
    song, beat, vocals = (sf.read(path, **place)[0] for path in (songs[30], *stems))
    assert np.std(vocals) > 0.001
    np.testing.assert_allclose(beat + vocals, song, atol=PCM_24)


@pytest.mark.soak
def test_inspecting_needs_no_more_memory_either(tmp_path, songs, model):
    short, long = (
        peak_mb("inspect", songs[minutes], "-o", tmp_path, "--model", model) for minutes in (2, 10)
    )
    assert long < short + GROWTH_MB


@pytest.mark.slow
def test_separating_with_the_best_model_takes_at_most_300_mb(tmp_path):
    song, out = tmp_path / "song.wav", tmp_path / "out"
    # Stereo at the model's own rate: as much as fills all queues, and the song's end.
    sf.write(song, np.tile(music(20.0), 2).T, 44_100, subtype="PCM_24")
    assert peak_mb("separate", song, "-o", out, "--model", "studio") <= MOST_MB
    assert [sf.info(stem).frames for stem in out.glob("*.wav")] == [40 * 44_100] * 2
