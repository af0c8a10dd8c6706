"""``streamsep live`` without a sound server: signals, full disks, damaged files."""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from streamsep.separation import ChunkedSeparator, load_separator
from testing.servers import wait_until
from testing.signals import music
from tests.support import vst3
from tests.support.commands import Live, streamsep

PCM_24 = 2.0**-23  # see test_audio_file
# Off the sound server nothing here depends on time: with buffers this long a machine may stand
# still for a second, and what is played is still what was separated.
PATIENT = ("--block", 2048, "--slack", 44_100)


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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_and_the_recordings_play(
    song, unet_shaped_model, tmp_path, number
):
    played, recorded = tmp_path / "beat.wav", tmp_path / "beat.flac"
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        played,
        "--record",
        recorded,
        "--model",
        unet_shaped_model,
        *PATIENT,
    ) as live:
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


@pytest.mark.slow
def test_a_full_disk_ends_the_recording_and_not_the_music(song, unet_shaped_model, tmp_path):
    """The small file is full at once; the other recording goes on to the end."""
    full, whole = tmp_path / "full.wav", tmp_path / "whole.mp3"
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        whole,
        "--record",
        full,
        "--seconds",
        3,
        "--model",
        unet_shaped_model,
        *PATIENT,
        largest_file=200_000,
    ) as live:
        code = live.wait()
    assert code == 4
    # The limit also keeps libpulse from its shared memory, and it says so.
    (line,) = [line for line in live.stderr.splitlines() if not line.startswith("ftruncate")]
    assert re.match(rf"streamsep: {full} .*File too large", line)
    assert str(full) in live.stdout  # while it plays
    sound = read(full)
    assert 0 < full.stat().st_size <= 200_000
    assert sound.shape[-1] > 30_000  # 6 bytes a sample pair: 33,000 fit
    beat = beat_of(unet_shaped_model, song)
    np.testing.assert_allclose(sound, beat[:, : sound.shape[-1]], atol=PCM_24, rtol=0)
    assert read(whole).shape[-1] > 2 * 44_100
    # What it says is at most what there is, and short of it by less than a device block.
    said = float(re.search(rf"{full}: ([\d.]+) s recorded", live.stdout)[1])
    assert -0.005 <= sound.shape[-1] / 44_100 - said <= 2_048 / 44_100 + 0.005


@pytest.mark.slow
def test_a_file_damaged_further_in_plays_up_to_there(identity_model, tmp_path):
    path, recorded = tmp_path / "half.flac", tmp_path / "beat.wav"
    sound = music(2.0)
    sf.write(path, sound.T, 44_100, subtype="PCM_24")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Live(
        tmp_path, "--input", path, "--output", recorded, "--model", identity_model, *PATIENT
    ) as live:
        assert live.wait() == 12
    where, last = live.stderr.splitlines()
    assert re.match(rf"{path}: it ends after [01]\.\d+ s, and its header says 2\.000 s", where)
    assert str(path) in last
    assert where in live.stdout  # as an event, at once
    kept = read(recorded)
    assert kept.shape[-1] > 22_050
    np.testing.assert_allclose(kept, sound[:, : kept.shape[-1]], atol=PCM_24, rtol=0)


@pytest.mark.slow
def test_nan_in_a_file_is_silenced_and_played_on(identity_model, tmp_path):
    path, recorded = tmp_path / "bad.wav", tmp_path / "beat.wav"
    sound = music(1.0)
    sound[:, 20_000:20_100] = np.nan
    sf.write(path, sound.T, 44_100, subtype="FLOAT")
    with Live(
        tmp_path, "--input", path, "--output", recorded, "--model", identity_model, *PATIENT
    ) as live:
        assert live.wait() == 12
    assert f"{path}: 100 samples silenced from 0.454 to 0.456 s" in live.stderr
    np.testing.assert_allclose(read(recorded), np.nan_to_num(sound), atol=PCM_24, rtol=0)


@pytest.mark.slow
def test_guide_and_gains_are_in_what_is_played(song, unet_shaped_model, tmp_path):
    played = tmp_path / "played.wav"
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        played,
        "--seconds",
        1.5,
        "--guide",
        50,
        "--beat-gain",
        -3,
        "--master-gain",
        -6,
        "--model",
        unet_shaped_model,
        *PATIENT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    beat, mixture, sound = beat_of(unet_shaped_model, song), read(song), read(played)
    count = sound.shape[-1]
    assert count > 22_050
    expected = 10 ** (-9 / 20) * (beat + 0.5 * (mixture - beat))[:, :count]
    np.testing.assert_allclose(sound, expected, atol=PCM_24 + 1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accompaniment", "instrumental"])
def test_the_beat_by_its_other_names(song, unet_shaped_model, tmp_path, name):
    """Also where effects leave just vocals and beat; a recording is called as it was asked for."""
    played, recorded = tmp_path / "played.wav", tmp_path / f"take.{name}.wav"
    arguments = ["--input", song, "--output", played, "--seconds", 1.5, "--stem", name]
    arguments += ["--record", tmp_path / "take.wav", "--record-stems", name]
    arguments += ["--effect", "Gain:gain_db=0", "--model", unet_shaped_model]
    done = streamsep("live", *arguments, *PATIENT)
    assert (done.returncode, done.stderr) == (0, "")
    beat = beat_of(unet_shaped_model, song)
    for path in (played, recorded):
        sound = read(path)
        assert sound.shape[-1] > 44_100
        np.testing.assert_allclose(sound, beat[:, : sound.shape[-1]], atol=PCM_24 + 1e-6, rtol=0)


@pytest.mark.slow
def test_a_sound_file_can_sing_along(song, identity_model, tmp_path):
    """From the song's first sample on, at its fader and in the recordings."""
    voice = music(1.0, seed=9)
    sf.write(tmp_path / "voice.wav", voice.T, 44_100, subtype="FLOAT")
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        "null",
        "--seconds",
        2.5,
        "--mic",
        tmp_path / "voice.wav",
        "--voice-effects",
        "off",
        "--mic-gain",
        -6,
        "--guide",
        100,
        "--record",
        tmp_path / "take.flac",
        "--record-stems",
        "beat,vocals,mic,mix",
        "--model",
        identity_model,
        *PATIENT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    beat, vocals, mic, mix = (
        read(tmp_path / f"take{name}.flac") for name in (".beat", ".vocals", ".mic", "")
    )
    np.testing.assert_allclose(
        beat + vocals + 10 ** (-6 / 20) * mic, mix, atol=4 * PCM_24 + 1e-6, rtol=0
    )
    # The song is read ahead, so that both begin at once.
    assert "latency 0 ms" in done.stdout
    count = voice.shape[-1]
    np.testing.assert_allclose(mic[:, :count], voice, atol=PCM_24, rtol=0)
    assert not mic[:, count:].any()


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, 4])
def test_key_and_effects_leave_the_song_in_its_place(song, unet_shaped_model, tmp_path, key):
    """What is written lines up with the song, the effects' delay left out like all of it."""
    played = tmp_path / "played.wav"
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        played,
        "--seconds",
        2.5,
        "--key",
        key,
        "--effect",
        "Gain:gain_db=-6",
        "--model",
        unet_shaped_model,
        *PATIENT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    beat, sound = 10 ** (-6 / 20) * beat_of(unet_shaped_model, song), read(played)
    count = sound.shape[-1]
    assert count > 44_100
    same = np.abs(sound - beat[:, :count]).max() < PCM_24 + 1e-5
    assert same == (key == 0)
    # Shifted or not it is as loud, moment by moment (a tenth of a second each).
    levels = [x[0, : count // 4_410 * 4_410].reshape(-1, 4_410).std(axis=1) for x in (sound, beat)]
    assert np.corrcoef(levels)[0, 1] > 0.95


@pytest.mark.slow
def test_a_vst3_plugin_plays_on_the_beat(song, unet_shaped_model, tmp_path):
    """The recordings line up although the plugin is late, and its parameter is heard."""
    wet = vst3.build(tmp_path)
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        "null",
        "--seconds",
        2.5,
        "--guide",
        100,
        "--record",
        tmp_path / "take.wav",
        "--record-stems",
        "beat,vocals,mix",
        "--effect",
        f"{wet}:wet=0.25",
        "--model",
        unet_shaped_model,
        *PATIENT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    beat, vocals, mix = (read(tmp_path / f"take{name}.wav") for name in (".beat", ".vocals", ""))
    count = mix.shape[-1]
    assert count > 44_100
    separated, mixture = beat_of(unet_shaped_model, song)[:, :count], read(song)[:, :count]
    np.testing.assert_allclose(beat, 0.5 * separated, atol=PCM_24 + 1e-6, rtol=0)
    np.testing.assert_allclose(vocals, mixture - separated, atol=PCM_24 + 1e-5, rtol=0)
    np.testing.assert_allclose(mix, beat + vocals, atol=2 * PCM_24 + 1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_recordings_of_a_killed_process_play(song, unet_shaped_model, tmp_path, suffix):
    """kill -9 in the middle: all but the last moments are in each file, in step with the song."""
    recorded = tmp_path / f"take{suffix}"
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        "null",
        "--record",
        recorded,
        "--record-stems",
        "beat,vocals,mix",
        "--model",
        unet_shaped_model,
        *PATIENT,
    ) as live:
        live.wait_until_running()
        # Ogg packs a second into a page; the header alone is written at once.
        wait_until(lambda: recorded.stat().st_size > 100_000, "some sound in the file")
        assert live.end(signal.SIGKILL) == -signal.SIGKILL
    mixture = read(song)
    sounds = {}
    for bus in ("beat", "vocals", "mix"):
        path = recorded if bus == "mix" else tmp_path / f"take.{bus}{suffix}"
        with AudioReader(path) as reader:
            sounds[bus] = np.concatenate(list(reader.chunks()), axis=-1)
        # Another player than ours takes it too, to its end.
        played = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-"], capture_output=True
        )
        assert played.returncode == 0, played.stderr
        assert len(played.stdout) // 8 >= sounds[bus].shape[-1] - 4_096
    count = min(sound.shape[-1] for sound in sounds.values())
    assert count > 11_025
    beat, vocals, mix = (sounds[bus][:, :count] for bus in ("beat", "vocals", "mix"))
    assert np.abs(vocals).max() > 0.01
    # Vorbis keeps what is heard and not the samples: there, the same sound in the same place.
    tolerance = 2 * PCM_24 + 1e-6 if suffix != ".ogg" else 0.05
    np.testing.assert_allclose(beat, mix, atol=tolerance, rtol=0)
    np.testing.assert_allclose(beat + vocals, mixture[:, :count], atol=tolerance, rtol=0)


@pytest.mark.slow
def test_seconds_ends_it(song, identity_model, tmp_path):
    with Live(
        tmp_path,
        "--input",
        song,
        "--output",
        "null",
        "--seconds",
        0.5,
        "--model",
        identity_model,
    ) as live:
        wait_until(lambda: live.process.poll() is not None, "the end after half a second")
    assert (live.process.returncode, live.stderr) == (0, "")


@pytest.mark.slow
def test_a_recording_that_can_t_start_leaves_no_empty_one_beside_it(song, identity_model, tmp_path):
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        tmp_path / "beat.wav",
        "--record",
        tmp_path / "nowhere" / "beat.flac",
        "--model",
        identity_model,
    )
    assert done.returncode == 4
    assert "nowhere/beat.flac can't be written (no folder" in done.stderr
    assert not (tmp_path / "beat.wav").exists()


@pytest.mark.slow
def test_a_program_reads_objects_and_nothing_else(song, identity_model, tmp_path):
    recorded, lyrics = tmp_path / "take.wav", tmp_path / "song.lrc"
    lyrics.write_text("[00:00.00]first\n[00:59.00]last")
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        "null",
        "--seconds",
        2.5,
        "--json",
        "--slack",
        4_410,
        "--record",
        recorded,
        "--lyrics",
        lyrics,
        "--guide",
        50,
        "--model",
        identity_model,
    )
    assert done.returncode == 0
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [o["final"] for o in objects] == [False] * (len(objects) - 1) + [True]
    assert len(objects) >= 3
    assert all(o.keys() == objects[0].keys() for o in objects)
    last = objects[-1]
    assert last["time_s"] >= 2.5
    assert last["latency_ms"] == last["measured_latency_ms"] == last["av_offset_ms"] == 0.0
    assert last["hop_p50_ms"] > 0
    assert (last["model"], last["provider"], last["bypass"]) == ("test", "CPU", False)
    assert last["faders_db"] == {"guide": -6.02, "beat": 0.0, "mic": 0.0, "master": 0.0}
    # In the last there may be nothing since the one before.
    assert all(-60 < o["level_in_db"] < 0 for o in objects[1:-1])
    assert (last["lyric"], last["next_lyric"]) == ("first", "last")
    assert last["recorded_s"] > 0.5
    # What is said of the recording would be no object.
    assert done.stderr.startswith(f"{recorded}: ")


def test_lyrics_that_can_t_be_read_are_told_before_the_music(command, song, tmp_path):
    lyrics = tmp_path / "song.txt"
    lyrics.write_text("la la la")
    done = command("live", "--input", song, "--output", tmp_path / "b.wav", "--lyrics", lyrics)
    assert (done.code, done.stdout) == (10, "")
    assert str(lyrics) in done.stderr
    assert not (tmp_path / "b.wav").exists()
