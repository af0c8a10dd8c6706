"""A real sound server for the whole test session, and a song to play on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from testing.servers import PACKAGES, pipewire_server, pulse_server
from testing.signals import music
from tests.support.commands import streamsep

RATE = 44_100
# PulseAudio takes back what a sink had rendered ahead when a stream starts; recordings of its
# monitor keep that, and so the first tenth of a second isn't comparable.
SILENCE = RATE // 4


@dataclass(frozen=True)
class SongFile:
    """A float WAV file and what is in it: silence, then ``sound`` (C, N)."""

    path: Path
    sound: np.ndarray


def make_song(path: Path, seconds: float) -> SongFile:
    """Write a song whose noise makes every place in it unlike any other."""
    sound = music(seconds)
    sound = 0.8 * sound + np.random.default_rng(5).uniform(-0.05, 0.05, sound.shape)
    sound = sound.astype(np.float32)
    sf.write(path, np.pad(sound, ((0, 0), (SILENCE, 0))).T, RATE, subtype="FLOAT")
    return SongFile(path, sound)


@pytest.fixture(scope="session")
def server():
    with pulse_server() as running:
        listed = streamsep("devices", env=running.env())
        assert " pulse " in listed.stdout, (
            "PortAudio doesn't reach PulseAudio; the tests against a real sound server need: "
            f"apt-get install --no-install-recommends {PACKAGES}\n{listed.stderr}"
        )
        yield running


@pytest.fixture(scope="session")
def pipewire():
    with pipewire_server() as running:
        yield running


@pytest.fixture(params=["server", "pipewire"])
def each_server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def song(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "song.wav", 3.0)


@pytest.fixture(scope="session")
def short_song(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "short.wav", 1.5)


@pytest.fixture(scope="session")
def long_song(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "long.wav", 5.0)


@pytest.fixture(scope="session")
def endless(tmp_path_factory):
    """Music that outlasts every test here."""
    path = tmp_path_factory.mktemp("songs") / "endless.wav"
    sf.write(path, np.tile(music(2.0).T, (60, 1)), RATE)
    return path
