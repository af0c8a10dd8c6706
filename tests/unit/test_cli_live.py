"""``streamsep live`` without a sound server: signals, full disks, damaged files."""

import re
import signal
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.separation import ChunkedSeparator, load_separator
from tests.support.commands import Live, streamsep
from tests.support.servers import wait_until
from tests.support.signals import music

PCM_24 = 2.0**-23  # see test_audio_file
# Off the sound server nothing here depends on time: with buffers this long a machine may stand
# still for half a second, and what is played is still what was separated.
PATIENT = ("--block", 2048, "--slack", 22_050)


@pytest.fixture
def song(tmp_path):
    sound = music(20.0)  # never played to its end
    sf.write(tmp_path / "song.wav", sound.T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


def read(path):
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    assert rate == 44_100
    return sound.T


def beat_of(model, path):
    chunked = ChunkedSeparator(load_separator(model, device="cpu"))
    sound = read(path)
    return np.concatenate([chunked.feed(sound), chunked.finish()], axis=-1)[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_and_the_recordings_play(
    song, unet_shaped_model, tmp_path, number
):
    played, recorded = tmp_path / "beat.wav", tmp_path / "beat.flac"
    with Live(
        tmp_path, "--input", song, "--output", played, "--record", recorded,
        "--model", unet_shaped_model, *PATIENT,
    ) as live:  # fmt: skip
        live.wait_until_running()
        time.sleep(1.0)  # some music beyond the latency, which recordings leave out
        assert live.end(number) == 0
    assert live.stderr == ""
    assert live.losses.session == 0
    beat = beat_of(unet_shaped_model, song)
    for path in (played, recorded):
        sound = read(path)
        assert 4_410 < sound.shape[-1] < beat.shape[-1] // 2
        np.testing.assert_allclose(sound, beat[:, : sound.shape[-1]], atol=PCM_24, rtol=0)
        assert f"{path}: {sound.shape[-1] / 44_100:.2f} s recorded\n" in live.stdout
    # Both hold the same music, though each is written by a thread of its own.
    assert read(played).shape == read(recorded).shape


def test_a_full_disk_ends_the_recording_and_not_the_music(song, unet_shaped_model, tmp_path):
    """The small file is full at once; the other recording goes on to the end."""
    full, whole = tmp_path / "full.wav", tmp_path / "whole.mp3"
    with Live(
        tmp_path, "--input", song, "--output", whole, "--record", full, "--seconds", 3,
        "--model", unet_shaped_model, *PATIENT, largest_file=200_000,
    ) as live:  # fmt: skip
        code = live.wait()
    assert code == 4
    assert re.fullmatch(
        rf"streamsep: {full} can't be written \(.*\); expected a writable folder with room; "
        r"choose another place\n",
        live.stderr,
    )
    sound = read(full)
    assert 0 < full.stat().st_size <= 200_000
    assert sound.shape[-1] > 30_000  # 6 bytes a sample pair: 33,000 fit
    beat = beat_of(unet_shaped_model, song)
    np.testing.assert_allclose(sound, beat[:, : sound.shape[-1]], atol=PCM_24, rtol=0)
    assert read(whole).shape[-1] > 2 * 44_100
    # What it says is at most what there is, and short of it by less than a device block.
    said = float(re.search(rf"{full}: ([\d.]+) s recorded", live.stdout)[1])
    assert -0.005 <= sound.shape[-1] / 44_100 - said <= 2_048 / 44_100 + 0.005


def test_a_file_damaged_further_in_plays_up_to_there(identity_model, tmp_path):
    path, recorded = tmp_path / "half.flac", tmp_path / "beat.wav"
    sound = music(2.0)
    sf.write(path, sound.T, 44_100, subtype="PCM_24")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Live(
        tmp_path, "--input", path, "--output", recorded, "--model", identity_model, *PATIENT
    ) as live:
        assert live.wait() == 3
    assert re.match(rf"streamsep: {path} is damaged after [01]\.\d s \(", live.stderr)
    assert len(live.stderr.splitlines()) == 1
    kept = read(recorded)
    assert kept.shape[-1] > 22_050
    np.testing.assert_allclose(kept, sound[:, : kept.shape[-1]], atol=PCM_24, rtol=0)


def test_nan_in_a_file_is_silenced_and_played_on(identity_model, tmp_path):
    path, recorded = tmp_path / "bad.wav", tmp_path / "beat.wav"
    sound = music(1.0)
    sound[:, 20_000:20_100] = np.nan
    sf.write(path, sound.T, 44_100, subtype="FLOAT")
    with Live(
        tmp_path, "--input", path, "--output", recorded, "--model", identity_model, *PATIENT
    ) as live:
        assert live.wait() == 0
    np.testing.assert_allclose(read(recorded), np.nan_to_num(sound), atol=PCM_24, rtol=0)


def test_seconds_ends_it(song, identity_model, tmp_path):
    with Live(
        tmp_path, "--input", song, "--output", "null", "--seconds", 0.5,
        "--model", identity_model,
    ) as live:  # fmt: skip
        wait_until(lambda: live.process.poll() is not None, "the end after half a second")
    assert (live.process.returncode, live.stderr) == (0, "")


def test_a_recording_that_can_t_start_leaves_no_empty_one_beside_it(
    song, identity_model, tmp_path
):
    done = streamsep(
        "live", "--input", song, "--output", tmp_path / "beat.wav",
        "--record", tmp_path / "nowhere" / "beat.flac", "--model", identity_model,
    )  # fmt: skip
    assert done.returncode == 4
    assert "nowhere/beat.flac can't be written (no folder" in done.stderr
    assert not (tmp_path / "beat.wav").exists()
