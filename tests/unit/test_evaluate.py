"""Scoring a folder of songs: figures that can be worked out by hand."""

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner

from streamsep.cli.evaluate import command, find_songs, score_song
from streamsep.errors import AudioFileError
from streamsep.separation import load_separator
from tests.support import models
from tests.support.signals import music


@pytest.fixture
def songs(tmp_path):
    folder = tmp_path / "songs"
    for seed, name in enumerate(("one", "two")):
        (folder / name).mkdir(parents=True)
        beat = music(1.5, seed=seed)
        # Vocals a tenth as loud as the beat and unlike it: the mixture scores 20 dB.
        vocals = 0.1 * beat[:, ::-1]
        sf.write(folder / name / "vocals.wav", vocals.T, 44_100, subtype="FLOAT")
        sf.write(folder / name / "accompaniment.flac", beat.T, 44_100, subtype="PCM_24")
    (folder / "notes").mkdir()
    return folder


def test_scores_of_a_model_that_takes_everything(tmp_path, songs):
    separator = load_separator(models.constant_mask(tmp_path / "all.onnx", 1.0))
    score = score_song(separator, find_songs(songs)[0])
    assert score.song == "one"
    assert score.mixture_beat == pytest.approx(20.0, abs=0.01)
    assert score.beat == pytest.approx(0.0, abs=0.01)  # the beat is left empty
    # Everything is called vocals, which is what the mixture is.
    assert score.vocals == pytest.approx(score.mixture_vocals, abs=0.01)


def test_a_half_model_s_beat_is_aligned_with_the_truth(tmp_path, songs):
    """Half of everything leaves 0.5·(beat + vocals): 6 dB, and far less if it were shifted."""
    separator = load_separator(models.constant_mask(tmp_path / "half.onnx", 0.5))
    score = score_song(separator, find_songs(songs)[1])
    truth = music(1.5, seed=1)
    half = 0.5 * (truth + 0.1 * truth[:, ::-1])
    expected = 10 * np.log10((truth**2).sum() / ((truth - half) ** 2).sum())
    assert score.beat == pytest.approx(expected, abs=0.01)


def test_the_table_ends_with_the_mean(tmp_path, songs):
    model = models.constant_mask(tmp_path / "none.onnx", 0.0)
    result = CliRunner().invoke(command, [str(songs), "--model", str(model)])
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["uSDR,", "one", "two", "mean"]
    assert rows[3][1:] == ["20.00", "20.00", "0.00", "-20.00"]


def test_a_folder_without_songs_is_an_error(tmp_path):
    with pytest.raises(AudioFileError, match="no songs"):
        find_songs(tmp_path)
