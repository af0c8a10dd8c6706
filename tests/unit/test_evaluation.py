"""Scoring songs: figures that can be worked out by hand, and the page they end up on."""

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner

from streamsep.cli.evaluate import command
from streamsep.errors import AudioFileError
from streamsep.evaluation.methods import METHODS, separate_song
from streamsep.evaluation.scores import score_alone, score_song
from streamsep.evaluation.songs import ReferenceSong, find_reference_songs, read_reference_song
from streamsep.separation import gains_for, load_separator
from streamsep.separation.center_cut import CenterCut
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast
from tests.support.commands import streamsep

RATE = 44_100


def make_song(seed):
    beat = music(1.5, seed=seed)
    # Vocals a tenth as loud as the beat and unlike it: the mixture scores 20 dB.
    return ReferenceSong(f"song{seed}", 0.1 * beat[:, ::-1], beat)


@pytest.fixture
def folder(tmp_path):
    for seed in (1, 2):
        song = make_song(seed)
        path = tmp_path / "songs" / song.name
        path.mkdir(parents=True)
        sf.write(path / "vocals.wav", song.vocals.T, RATE, subtype="FLOAT")
        sf.write(path / "accompaniment.flac", song.beat.T, RATE, subtype="PCM_24")
    (tmp_path / "songs" / "notes").mkdir()
    return tmp_path / "songs"


def score(method, song, separator):
    return score_song(song, method, *separate_song(method, song, separator), RATE, museval=False)


def test_live_and_offline_score_alike(unet_shaped_model):
    """The issue of a live program: what is scored must be what is heard."""
    separator, song = load_separator(unet_shaped_model), make_song(1)
    live, offline = (score(m, song, separator) for m in ("model live", "model offline"))
    # The same arithmetic; only the vocals are a difference taken later.
    assert live.beat_usdr == pytest.approx(offline.beat_usdr, abs=1e-3)
    assert live.vocals_usdr == pytest.approx(offline.vocals_usdr, abs=1e-3)


def test_a_model_that_takes_half(tmp_path):
    """Half of everything leaves 0.5·(beat + vocals): 6 dB, and far less if it were shifted."""
    separator = load_separator(models.constant_mask(tmp_path / "half.onnx", 0.5))
    song = make_song(1)
    half = 0.5 * song.mixture
    expected = 10 * np.log10((song.beat**2).sum() / ((song.beat - half) ** 2).sum())
    assert score("model live", song, separator).beat_usdr == pytest.approx(expected, abs=0.01)
    assert score("mixture", song, separator).beat_usdr == pytest.approx(20.0, abs=0.01)


def test_stems_alone(tmp_path):
    """A mask of 0.1 takes a tenth of whatever plays: 20 dB of music kept, 0.9 dB of voice gone."""
    separator = load_separator(models.constant_mask(tmp_path / "tenth.onnx", 0.1))
    song = make_song(1)
    plain = score("model live", song, separator)
    assert np.isnan(plain.music_kept)
    alone = score_alone(plain, song, lambda s: separate_song("model live", s, separator)[0])
    assert alone.music_kept == pytest.approx(20.0, abs=0.01)
    assert alone.voice_removed == pytest.approx(-20 * np.log10(0.9), abs=0.01)
    assert alone.beat_usdr == plain.beat_usdr


@pytest.mark.parametrize(
    ("stem", "stems", "gains"),
    [
        ("beat", ("vocals", "beat"), {"beat": 1.0}),
        ("vocals", ("beat", "vocals"), {"vocals": 1.0}),
        ("beat", ("drums", "vocals", "rest"), {"drums": 1.0, "rest": 1.0}),
    ],
)
def test_the_beat_is_everything_but_the_vocals(stem, stems, gains):
    assert gains_for(stem, stems) == gains


@pytest.mark.parametrize(
    ("command_name", "stem"), one_fast([("live", "beat"), ("evaluate", "beat")])
)
def test_a_model_without_the_stem_is_a_clear_error(tmp_path, folder, command_name, stem):
    model = models.constant_mask(tmp_path / "other.onnx", 0.5, stems=("other",))
    song = folder / "song1" / "vocals.wav"
    arguments = {
        "live": ["--input", song, "--output", "null"],
        "evaluate": [folder, "--no-museval"],
    }[command_name]
    done = streamsep(command_name, *arguments, "--model", model)
    assert done.returncode == 6
    assert f"no {stem}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_ideal_mask_is_the_best_there_is(identity_model):
    separator, song = load_separator(identity_model), make_song(2)
    by_method = {m: score(m, song, separator).beat_usdr for m in METHODS}
    assert max(by_method, key=by_method.get) == "ideal mask"
    assert by_method["ideal mask"] > by_method["mixture"] + 2


def test_the_centre_cut_takes_the_middle_and_leaves_the_bass(identity_model):
    time = np.arange(2 * RATE) / RATE
    middle = 0.2 * np.sin(2 * np.pi * 1_000 * time) * np.ones((2, 1))
    bass = 0.2 * np.sin(2 * np.pi * 30 * time) * np.ones((2, 1))
    side = 0.2 * np.sin(2 * np.pi * 3_000 * time) * np.array([[1.0], [-1.0]])
    song = ReferenceSong("tones", middle.astype(np.float32), (bass + side).astype(np.float32))
    separator = load_separator(identity_model)
    # The filter's own phase near its corner keeps this from being perfect.
    assert score("centre cut", song, separator).beat_usdr > 12


def test_the_ideal_mask_does_without_a_model_s_transform(identity_model):
    """A separator that has none is measured against the mask of the usual one."""
    song = make_song(2)
    ours = separate_song("ideal mask", song, CenterCut(sample_rate=RATE))
    models = separate_song("ideal mask", song, load_separator(identity_model))
    np.testing.assert_array_equal(ours, models)  # n_fft 2048, hop 1024


@pytest.mark.slow
def test_museval_of_a_mixture_with_quiet_vocals():
    song = make_song(1)
    untouched = score_song(song, "mixture", song.mixture, song.mixture, RATE, museval=True)
    # 20 and -20 dB over the whole song; its one whole second is a little different.
    assert untouched.beat_museval == pytest.approx(20, abs=1.5)
    assert untouched.vocals_museval == pytest.approx(-20, abs=1.5)
    # By the name that it catches it by, where its equations have no single solution.
    assert np.linalg.linalg.LinAlgError is np.linalg.LinAlgError


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_a_page(tmp_path, folder):
    model, report = models.constant_mask(tmp_path / "none.onnx", 0.0), tmp_path / "report"
    result = CliRunner().invoke(
        command, [str(folder), "--model", str(model), "--no-museval", "--report", str(report)]
    )
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["mean", "mixture", "20.00", "-20.00"] in rows
    live = [row[-4:] for row in rows if "live" in row]
    assert [row[:2] for row in live] == [["20.00", "0.00"]] * 3  # two songs and their mean
    assert [row[3] for row in live] == ["0.00"] * 3  # nothing of the voice is removed
    page = (report / "index.html").read_text()
    for song in ("song1", "song2"):
        assert sf.info(report / f"{song}.beat.ogg").duration == pytest.approx(1.5, abs=0.01)
        assert (report / f"{song}.png").stat().st_size > 10_000
        assert f"src='{song}.beat.ogg'" in page
    lines = (report / "scores.tsv").read_text().splitlines()
    assert len(lines) == 1 + 3 * len(METHODS)


@pytest.mark.slow
def test_the_offline_row_is_the_engine_for_files(tmp_path, folder):
    """An MDX graph hears both sides of a frame over files, and the newest window live."""
    kernel = np.zeros((4, 4, 3), np.float32)
    kernel[range(4), range(4), 0] = 0.5  # half of the frame before: windows' edges matter
    model = models.mdx(tmp_path / "mdx.onnx", kernel=kernel, dim_f=2049)
    arguments = [str(folder), "--model", str(model), "--device", "cpu", "--no-museval"]
    result = CliRunner().invoke(command, [*arguments, "--report", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    rows = [
        line.split("\t") for line in (tmp_path / "report" / "scores.tsv").read_text().splitlines()
    ]
    told = {(row[0], row[1]): row[2] for row in rows}
    song = read_reference_song(folder / "song1", sample_rate=RATE, channels=2)
    engine = load_separator(model, device="cpu", offline=True)
    expected = score("model offline", song, engine).beat_usdr
    assert told["song1", "model offline"] == f"{expected:.4f}" != told["song1", "model live"]


def test_stems_are_cut_to_the_shorter(tmp_path):
    path = tmp_path / "song"
    path.mkdir()
    sf.write(path / "vocals.wav", np.zeros((1_000, 1)), RATE)
    sf.write(path / "accompaniment.wav", np.zeros((900, 2)), RATE)
    assert read_reference_song(path, sample_rate=RATE, channels=2).mixture.shape == (2, 900)


def test_a_folder_without_songs_is_an_error(tmp_path):
    with pytest.raises(AudioFileError, match="no songs"):
        find_reference_songs(tmp_path)
