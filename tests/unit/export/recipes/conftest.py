"""Made-up tracks that mixes are drawn from."""

import numpy as np
import pytest
import soundfile as sf

from export.data.manifest import Track
from export.recipes.live.mixing import StereoMixer


@pytest.fixture
def tracks(tmp_path):
    """A voice of warbling tones and a band of noise: a song, a solo, a vocal-free piece."""
    rng = np.random.default_rng(0)
    count = 4 * 44_100
    time = np.arange(count) / 44_100
    voice = 0.2 * np.sin(2 * np.pi * 400 * time + 5 * np.sin(2 * np.pi * 5 * time))
    band = 0.05 * rng.standard_normal((2, count))
    sounds = {"vocals": np.stack([voice, voice]), "accompaniment": band}
    for name, sound in sounds.items():
        sf.write(tmp_path / f"{name}.wav", sound.T, 44_100, subtype="PCM_16")
    kinds = {"song": tuple(sounds), "voice": ("vocals",), "accompaniment": ("accompaniment",)}
    return [
        Track(kind, kind, "train", count, 0.0, {name: f"{name}.wav" for name in names})
        for kind, names in kinds.items()
    ]


@pytest.fixture
def mixer(tmp_path, tracks):
    return StereoMixer(tmp_path, tracks, seed=1)
