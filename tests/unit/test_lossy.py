"""tools/lossy.py on one made-up song: what it codes, and its table."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner

from export.augment.codec_augmentation import transcode
from tools.lossy import CODECS, main

RATE = 44_100


def song(seconds: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a gliding voice and a band of two tones and noise, (2, N) float32 each."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * 200 * (time + 0.02 * np.sin(5 * time))
    voice = np.sin(phase) + np.sin(2 * phase) / 2 + np.sin(3 * phase) / 3
    noise = np.random.default_rng(0).standard_normal(time.size)
    band = np.sin(2 * np.pi * 1_000 * time) + np.sin(2 * np.pi * 1_500 * time) + 0.1 * noise
    first, second = (np.stack([0.1 * part] * 2).astype(np.float32) for part in (voice, band))
    return first, second


@pytest.mark.parametrize("name", CODECS)
def test_what_is_coded_is_near_and_in_time(name):
    sound = 8 * song()[1]  # louder than full scale
    coded, kilobits = transcode(sound, RATE, CODECS[name])
    assert coded.shape == sound.shape
    assert 20 < kilobits < 400
    error = np.square(coded - sound).mean()
    assert 1e-7 < error < 0.5 * np.square(np.roll(sound, 1, -1) - sound).mean()


@pytest.mark.slow
def test_the_table_has_a_line_for_each_song_and_codec(tmp_path):
    for name, sound in zip(("vocals", "accompaniment"), song(), strict=True):
        (tmp_path / "one").mkdir(exist_ok=True)
        sf.write(tmp_path / "one" / f"{name}.wav", sound.T, RATE)
    shown = CliRunner().invoke(main, [str(tmp_path)], catch_exceptions=False).output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    rows = [row for row in rows if len(row) == 4]
    assert [row[0] for row in rows] == [n for name in ("none", *CODECS) for n in (name, name)]
    assert [row[2] for row in rows] == ["one", "mean"] * 4
    # One song is the mean; and what has been through a codec is another song.
    gains = [float(row[3]) for row in rows]
    assert gains[::2] == gains[1::2]
    assert len(set(gains)) > 1


def test_a_folder_without_songs_is_one_line_of_error(tmp_path):
    done = CliRunner().invoke(main, [str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: no songs in")
