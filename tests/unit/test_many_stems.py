"""A model may tell any number of stems apart, by names of its own: live, recorded, over files."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import ModelError
from streamsep.realtime import Session
from streamsep.separation import gains_for, load_separator
from testing.sessions import play
from testing.signals import music
from tests.contract.test_mix_bus import Keep, aligned
from tests.support import models
from tests.support.commands import Live, streamsep

FRAMES = 512
MODEL, USAGE = 6, 2
MASKS = {"drums": 0.1, "lead-guitar": 0.2, "Bass_2": 0.05, "vocals": 0.4}
REST = 1 - sum(MASKS.values())
# Float32 sums; the STFT and its way back.
TOLERANCE = 2e-6


@pytest.fixture
def band(tmp_path):
    return models.stem_masks(tmp_path / "band.onnx", MASKS)


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


def read(path):
    return sf.read(path, dtype="float32")[0]


def test_each_stem_is_a_bus_and_the_beat_is_all_but_the_vocals(band):
    separator = load_separator(band)
    assert separator.stems == (*MASKS, "rest")
    session = Session(separator, device_frames=FRAMES, gains=gains_for("beat", separator.stems))
    heard = {bus: Keep(session, bus) for bus in (*MASKS, "rest", "beat", "mix")}
    mixture = music(1.0)
    play(session, mixture, FRAMES)
    shares = MASKS | {"rest": REST, "beat": 1 - MASKS["vocals"], "mix": 1 - MASKS["vocals"]}
    for bus, share in shares.items():
        sound = aligned(session, heard[bus].sound, mixture.shape[-1])
        np.testing.assert_allclose(sound, share * mixture, atol=TOLERANCE, rtol=0)


def test_the_guide_is_the_vocals_among_them(band):
    separator = load_separator(band)
    session = Session(separator, device_frames=FRAMES, gains=gains_for("beat", separator.stems))
    session.set_gain("guide", 20 * np.log10(0.5))
    mixture = music(1.0)
    live = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
    expected = (1 - 0.5 * MASKS["vocals"]) * mixture
    # The first block still ramps up to the guide.
    np.testing.assert_allclose(live[:, FRAMES:], expected[:, FRAMES:], atol=TOLERANCE, rtol=0)


def test_a_stem_that_isn_t_there_is_an_error(band):
    session = Session(load_separator(band), device_frames=FRAMES, gains={})
    with pytest.raises(ModelError, match="lead-guitar, Bass_2, vocals, rest and no sax"):
        session.add_tap("sax", None)


def test_separate_writes_the_stems_that_are_asked_for(command, band, song, tmp_path):
    asked = "vocals, lead-guitar,beat,rest"
    done = command("separate", song, "--model", band, "--stems", asked)
    assert done.code == 0, done.stderr
    mixture = read(song)
    shares = {"vocals": 0.4, "lead-guitar": 0.2, "beat": 0.6, "rest": REST}
    assert done.stdout.splitlines() == [str(tmp_path / f"song.{stem}.wav") for stem in shares]
    for stem, share in shares.items():
        sound = read(tmp_path / f"song.{stem}.wav")
        np.testing.assert_allclose(sound, share * mixture, atol=TOLERANCE, rtol=0)
    done = command("separate", song, "--model", band, "--stems", "vocals,sax")
    assert (done.code, "and no sax" in done.stderr) == (MODEL, True)


@pytest.mark.slow
def test_live_plays_one_and_records_others(band, song, tmp_path):
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        tmp_path / "out.wav",
        "--stem",
        "drums",
        "--record",
        tmp_path / "take.wav",
        "--record-stems",
        "lead-guitar,beat,mix",
        "--model",
        band,
        "--block",
        2048,
        "--slack",
        22_050,
    ) as live:
        assert live.wait() == 0, live.stderr
    mixture = read(song)
    for name, share in (("out", 0.1), ("take", 0.1), ("take.lead-guitar", 0.2), ("take.beat", 0.6)):
        sound = read(tmp_path / f"{name}.wav")
        np.testing.assert_allclose(sound, share * mixture, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--stem", "sax"], MODEL, "no sax"),
        (["--record", "x.wav", "--record-stems", "mix,sax"], MODEL, "no sax"),
        (["--key", "1", "--stem", "drums"], USAGE, "no drums"),
    ],
)
def test_what_live_can_t_tell_apart_is_said_before_the_music(
    command, band, song, monkeypatch, arguments, code, says
):
    monkeypatch.chdir(song.parent)
    done = command("live", "--input", song, "--output", "null", "--model", band, *arguments)
    assert (done.code, done.stdout) == (code, "")
    assert says in done.stderr
    assert list(song.parent.glob("*.wav")) == [song]


@pytest.mark.slow
def test_without_vocals_there_is_no_beat_and_no_other_key(command, tmp_path, song):
    model = models.stem_masks(tmp_path / "drums.onnx", {"drums": 0.3, "bass": 0.2})
    arguments = ["live", "--input", song, "--output", tmp_path / "out.wav", "--model", model]
    for more, absent in ([[], "beat"], [["--stem", "drums", "--key", "1"], "vocals"]):
        done = command(*arguments, *more)
        assert done.code == MODEL
        assert f"this model gives drums, bass, rest and no {absent}" in done.stderr
    done = streamsep(*arguments, "--stem", "rest", "--json", "--block", 2048, "--slack", 22_050)
    assert done.returncode == 0, done.stderr
    assert '"spectrum_db": []' in done.stdout
    np.testing.assert_allclose(read(tmp_path / "out.wav"), 0.5 * read(song), atol=TOLERANCE)
