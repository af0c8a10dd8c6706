"""``streamsep separate``: lengths, sums, names, and nothing half-written."""

import signal
import subprocess

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.file import FORMATS
from streamsep.separation import ChunkedSeparator, load_separator
from tests.support import models
from tests.support.commands import COMMAND, Live, without_sound
from tests.support.servers import wait_until
from tests.support.signals import music

# Half a step of 24 bits for rounding; the largest positive value is clipped by a whole one.
PCM_24 = 2.0**-23
RATES = [8_000, 22_050, 44_100, 48_000, 96_000]


def read(path):
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    return sound.T, rate


def stems_of(folder, name):
    return [read(folder / f"{name}.{stem}.wav") for stem in ("beat", "vocals")]


def make(path, rate, channels):
    kind, subtype = FORMATS[path.suffix]
    sound = music(1.1, sample_rate=rate, channels=channels)
    sf.write(path, sound.T, rate, format=kind, subtype=subtype)
    return path


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", RATES)
def test_stems_are_as_long_as_the_song_and_sum_to_it(command, tmp_path, half_model, rate, channels):
    path = make(tmp_path / "song.wav", rate, channels)
    done = command("separate", path, "--model", half_model)
    assert done.code == 0, done.stderr
    names = [str(tmp_path / f"song.{stem}.wav") for stem in ("vocals", "beat")]
    assert done.stdout.splitlines() == names
    song, _ = read(path)
    if channels == 6:  # folded to two, alternating sides
        song = np.stack([song[0::2].mean(axis=0), song[1::2].mean(axis=0)])
    stems = stems_of(tmp_path, "song")
    for sound, stem_rate in stems:
        assert (sound.shape, stem_rate) == (song.shape, rate)
        # Half and half, of what the model's rate can hold.
        assert 0.4 * np.std(song) < np.std(sound) < 0.7 * np.std(song)
    # Two stems are rounded to 24 bits each, the song was in 16; float32 sums add as much again.
    total = stems[0][0] + stems[1][0]
    np.testing.assert_allclose(total, song, atol=2 * PCM_24, rtol=0)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_other_formats_come_to_the_same(command, tmp_path, half_model, suffix, rate):
    path = make(tmp_path / f"song{suffix}", rate, 2)
    assert command("separate", path, "-o", tmp_path / "a" / "b", "--model", half_model).code == 0
    song, _ = read(path)
    for sound, stem_rate in stems_of(tmp_path / "a" / "b", "song"):
        assert (sound.shape, stem_rate) == (song.shape, rate)


def test_the_beat_is_the_separator_s(command, tmp_path, unet_shaped_model):
    path = make(tmp_path / "song.wav", 44_100, 2)
    assert command("separate", path, "--model", unet_shaped_model).code == 0
    chunked = ChunkedSeparator(load_separator(unet_shaped_model, device="cpu"))
    song, _ = read(path)
    vocals, beat = np.concatenate([chunked.feed(song), chunked.finish()], axis=-1)
    for (sound, _), stem in zip(stems_of(tmp_path, "song"), (beat, vocals), strict=True):
        np.testing.assert_allclose(sound, stem, atol=PCM_24, rtol=0)


def test_live_from_file_to_file_gives_the_same_file(command, tmp_path, unet_shaped_model):
    path = make(tmp_path / "song.wav", 44_100, 2)
    assert command("separate", path, "--model", unet_shaped_model).code == 0
    with Live(
        tmp_path, "--input", path, "--output", tmp_path / "live.wav",
        "--model", unet_shaped_model, "--block", 2048, "--slack", 22_050,
    ) as live:  # fmt: skip
        assert live.wait() == 0, live.stderr
    assert live.losses.session == 0
    (beat, _), _ = stems_of(tmp_path, "song")
    played, rate = read(tmp_path / "live.wav")
    assert rate == 44_100
    np.testing.assert_array_equal(played, beat)


def test_a_bad_file_among_good_ones_stops_only_itself(command, tmp_path, half_model):
    good = [make(tmp_path / f"{name}.wav", 44_100, 2) for name in ("one", "two")]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no sound")
    done = command("separate", good[0], bad, good[1], "--model", half_model)
    assert done.code == 3
    assert done.stdout.count(".beat.wav") == 2
    first, last = done.stderr.splitlines()
    assert first.startswith(f"streamsep: {bad} can't be read as sound")
    assert last.startswith("streamsep: 1 of 3 files couldn't be separated")
    assert sorted(path.name for path in tmp_path.glob("*.beat.wav")) == [
        "one.beat.wav", "two.beat.wav",
    ]  # fmt: skip


def test_files_that_would_overwrite_each_other_s_stems_are_refused(command, tmp_path, half_model):
    paths = [make(tmp_path / f"song{suffix}", 44_100, 2) for suffix in (".wav", ".flac")]
    done = command("separate", *paths, "--model", half_model)
    assert done.code == 4
    assert f"{paths[0]} and {paths[1]} would both become song.*.wav" in done.stderr
    assert not list(tmp_path.glob("*.beat.wav"))


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "streamsep: interrupted"), (signal.SIGTERM, 143, "")],
)
def test_being_stopped_leaves_nothing_behind(tmp_path, half_model, number, code, line):
    path = tmp_path / "long.wav"
    sf.write(path, np.zeros((44_100 * 300, 1), np.int16), 44_100)
    before = sorted(tmp_path.iterdir())
    process = subprocess.Popen(
        [*COMMAND, "separate", str(path), "--model", str(half_model)],
        env=without_sound(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until(lambda: list(tmp_path.glob(".*part*")), "the unfinished stems")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (code, "", line)
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def half_model(tmp_path):
    (tmp_path / "models").mkdir()
    return models.constant_mask(tmp_path / "models" / "half.onnx", 0.5)
