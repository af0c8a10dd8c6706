"""The beat by any of its names, wherever a stem is named."""

import numpy as np
import pytest
import soundfile as sf

import streamsep
from streamsep.errors import ModelError
from streamsep.models.contracts.mdx import MdxParameters, mdx_spec
from streamsep.realtime import Session
from streamsep.separation import gains_for, load_separator
from streamsep.stem_names import canonical_stem
from testing.signals import music

NAMES = ["beat", "accompaniment", "instrumental"]
RATE = 44_100


@pytest.mark.parametrize("name", NAMES)
def test_what_there_is_wins_over_the_canonical_word(name):
    assert canonical_stem(name) == "beat"
    assert canonical_stem(name, ("vocals", "beat")) == "beat"
    assert canonical_stem(name, ("vocals", "instrumental")) == (
        name if name == "instrumental" else "instrumental"
    )
    assert canonical_stem(name, ("vocals", "drums")) == "beat"


def test_other_names_mean_themselves():
    assert canonical_stem("drums", ("vocals", "beat")) == "drums"
    assert canonical_stem("Beat", ("vocals", "beat")) == "Beat"


@pytest.mark.parametrize("name", NAMES)
def test_the_beat_is_all_but_the_vocals(name):
    assert gains_for(name, ("drums", "vocals", "rest")) == {"drums": 1.0, "rest": 1.0}
    with pytest.raises(ModelError, match=f"gives drums, rest and no {name}"):
        gains_for(name, ("drums", "rest"))


@pytest.mark.parametrize("name", NAMES)
def test_files_are_called_by_the_canonical_word(command, tmp_path, half_model, name):
    sf.write(tmp_path / "song.wav", music(0.5).T, RATE)
    done = command("separate", tmp_path / "song.wav", "--stems", name, "--model", half_model)
    assert (done.code, done.stdout) == (0, f"{tmp_path}/song.beat.wav\n"), done.stderr


def test_two_names_for_one_stem_are_one_file(tmp_path, half_model):
    sf.write(tmp_path / "song.wav", music(0.5).T, RATE)
    paths = streamsep.separate_file(tmp_path / "song.wav", stems=NAMES, model=half_model)
    assert paths == {"beat": tmp_path / "song.beat.wav"}


@pytest.mark.parametrize("name", NAMES)
def test_arrays_have_it_by_each_name(half_model, name):
    stems = streamsep.separate(music(0.5), RATE, stems=[name], model=half_model)
    assert list(stems) == ["beat"]
    for other in NAMES:
        np.testing.assert_array_equal(stems[other], stems["beat"])
    with pytest.raises(KeyError, match="'vocals' is none of the stems here: beat"):
        stems["vocals"]


@pytest.mark.parametrize("name", NAMES)
def test_live_taps_and_faders_have_it_by_each_name(half_model, name):
    session = Session(load_separator(half_model), device_frames=512)
    session.set_gain(name, -6.0)
    assert session.snapshot().faders["beat"] == -6.0
    session.add_tap(name, [])  # refused where there is no such stem


@pytest.mark.parametrize("name", NAMES)
def test_an_imported_model_s_stem_has_the_canonical_name(name):
    known = MdxParameters(n_fft=4096, stems=(name,))
    shape = ["batch", 4, 2048, 32]
    spec = mdx_spec("m", shape, known, output=shape, origin="", licence="")
    assert (spec.stems, spec.residual) == (("beat",), "vocals")


@pytest.mark.parametrize("name", NAMES)
def test_true_stems_of_songs_may_be_called_by_each(tmp_path, name):
    from streamsep.evaluation.songs import find_reference_songs, read_reference_song

    (tmp_path / "one").mkdir()
    for stem, seed in (("vocals", 1), (name, 2)):
        sf.write(tmp_path / "one" / f"{stem}.wav", music(0.3, seed=seed).T, RATE)
    (folder,) = find_reference_songs(tmp_path)
    song = read_reference_song(folder, sample_rate=RATE, channels=2)
    np.testing.assert_allclose(song.beat, music(0.3, seed=2), atol=2.0**-15)
