"""``streamsep separate``: lengths, sums, names, and nothing half-written."""

import os
import pty
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import FORMATS
from streamsep.dsp.channels import USUAL_SPEAKERS, fold_channels
from streamsep.offline.made_from import RECORDS
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.separation import ChunkedSeparator, load_separator
from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import COMMAND, Live, ffmpeg, without_sound

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


@pytest.mark.parametrize("channels", one_fast([1, 2, 6]))
@pytest.mark.parametrize("rate", one_fast(RATES))
def test_stems_are_as_long_as_the_song_and_sum_to_it(command, tmp_path, half_model, rate, channels):
    path = make(tmp_path / "song.wav", rate, channels)
    done = command("separate", path, "--model", half_model)
    assert done.code == 0, done.stderr
    names = [str(tmp_path / f"song.{stem}.wav") for stem in ("vocals", "beat")]
    assert done.stdout.splitlines() == names
    song, _ = read(path)
    if channels == 6:
        song = fold_channels(song, USUAL_SPEAKERS[6])
    stems = stems_of(tmp_path, "song")
    for sound, stem_rate in stems:
        assert (sound.shape, stem_rate) == (song.shape, rate)
        # Half and half, of what the model's rate can hold.
        assert 0.4 * np.std(song) < np.std(sound) < 0.7 * np.std(song)
    # Two stems are rounded to 24 bits each, the song was in 16; float32 sums add as much again.
    total = stems[0][0] + stems[1][0]
    np.testing.assert_allclose(total, song, atol=2 * PCM_24, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("rate", one_fast([8_000, 48_000, 96_000, 384_000]))
def test_no_length_loses_a_sample_on_the_way_there_and_back(tmp_path, half_model, rate):
    separator = load_separator(half_model, device="cpu", offline=True)
    path = tmp_path / "song.wav"
    for frames in range(20_000, 20_020):
        sf.write(path, np.zeros((frames, 1), np.int16), rate)
        with AudioReader(path) as reader:
            blocks = stem_blocks(separator, reader.chunks(), sample_rate=rate, channels=1)
            assert sum(stems.shape[-1] for stems in blocks) == frames


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


@pytest.mark.slow
def test_live_from_file_to_file_gives_the_same_file(command, tmp_path, unet_shaped_model):
    path = make(tmp_path / "song.wav", 44_100, 2)
    assert command("separate", path, "--model", unet_shaped_model).code == 0
    with Live(
        tmp_path,
        "--input",
        path,
        "--output",
        tmp_path / "live.wav",
        "--model",
        unet_shaped_model,
        "--block",
        2048,
        "--slack",
        22_050,
    ) as live:
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
    counts, why, last = done.stderr.splitlines()
    assert counts == "3 files: 2 separated, 1 failed"
    assert why.startswith(f"  {bad}  can't be read as sound (")
    assert last.startswith("streamsep: 1 of 3 files couldn't be separated")
    assert sorted(path.name for path in tmp_path.glob("*.beat.wav")) == [
        "one.beat.wav",
        "two.beat.wav",
    ]


def test_files_that_would_overwrite_each_other_s_stems_are_refused(command, tmp_path, half_model):
    paths = [make(tmp_path / f"song{suffix}", 44_100, 2) for suffix in (".wav", ".flac")]
    done = command("separate", *paths, "--model", half_model)
    assert done.code == 4
    taken = f"both the vocals of {paths[0]} and the vocals of {paths[1]}"
    assert f"{tmp_path}/song.vocals.wav would be {taken}" in done.stderr
    assert not list(tmp_path.glob("*.beat.wav"))


def test_a_file_that_fails_in_its_middle_leaves_nothing_in_the_next(
    command, tmp_path, unet_shaped_model
):
    broken, song = make(tmp_path / "a.flac", 44_100, 2), make(tmp_path / "b.wav", 44_100, 2)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    assert command("separate", broken, song, "--model", unet_shaped_model).code == 12
    after, _ = read(tmp_path / "b.beat.wav")
    assert command("separate", song, "--model", unet_shaped_model, "--overwrite").code == 0
    np.testing.assert_array_equal(after, read(tmp_path / "b.beat.wav")[0])


class TestSamples:
    """Depth and loudness."""

    @pytest.mark.parametrize(
        ("suffix", "bits", "subtype"),
        [
            ("wav", 16, "PCM_16"),
            ("wav", 32, "FLOAT"),
            ("flac", 16, "PCM_16"),
            ("flac", 24, "PCM_24"),
        ],
    )
    def test_depth_is_what_was_asked_for(
        self, command, tmp_path, half_model, suffix, bits, subtype
    ):
        song = make(tmp_path / "song.wav", 44_100, 2)
        done = command("separate", song, "--format", suffix, "--bits", bits, "--model", half_model)
        assert done.code == 0, done.stderr
        beat, vocals = (tmp_path / f"song.{stem}.{suffix}" for stem in ("beat", "vocals"))
        assert sf.info(beat).subtype == subtype
        # Half a step of each stem; float32 sums as the 24 bits' step.
        step = {16: 2.0**-15, 24: 2.0**-23, 32: 2.0**-23}[bits]
        total = read(beat)[0] + read(vocals)[0]
        np.testing.assert_allclose(total, read(song)[0], atol=2 * step, rtol=0)

    def test_gain_moves_all_stems_alike_and_what_is_cut_is_said(
        self, command, tmp_path, identity_model
    ):
        song = make(tmp_path / "song.wav", 44_100, 2)
        run = ["separate", song, "--stems", "beat", "--gain", "9", "--model", identity_model]
        done = command(*run)
        assert done.code == 0
        # Peak 0.5 and 9 dB more.
        told = f"{tmp_path}/song.beat.wav is up to 3.0 dB beyond full scale, and cut there"
        assert told in done.stderr
        assert np.abs(read(tmp_path / "song.beat.wav")[0]).max() <= 1.0
        done = command(*run, "--bits", "32", "--overwrite")
        assert done.stderr == ""
        louder = read(song)[0] * 10 ** (9 / 20)
        # float32's rounding of a product.
        np.testing.assert_allclose(read(tmp_path / "song.beat.wav")[0], louder, rtol=1e-6)


class TestResume:
    def test_what_is_done_is_skipped_until_the_song_changes(self, command, tmp_path, half_model):
        song = make(tmp_path / "song.wav", 44_100, 2)
        assert command("separate", song, "--model", half_model).code == 0
        beat = tmp_path / "song.beat.wav"
        made = beat.stat().st_mtime_ns
        done = command("separate", song, "--model", half_model)
        assert (done.code, done.stdout) == (0, "")
        assert done.stderr == "1 file: 1 done before (--overwrite does it again)\n"
        assert beat.stat().st_mtime_ns == made
        os.utime(song, ns=(made + 10**9, made + 10**9))
        assert command("separate", song, "--model", half_model).stdout.count("song.") == 2
        (tmp_path / "song.vocals.wav").unlink()
        assert command("separate", song, "--model", half_model).stdout.count("song.") == 2

    @pytest.mark.slow
    def test_twenty_files_three_of_them_bad_killed_and_resumed(self, tmp_path, half_model):
        folder, out = tmp_path / "music", tmp_path / "out"
        folder.mkdir()
        kinds = [".wav", ".flac", ".ogg", ".mp3", ".m4a", ".mka", ".opus", ".wav"]
        good = []
        for index, suffix in enumerate(2 * kinds):
            made = make(tmp_path / "made.wav", 48_000, 1 + index % 2)
            good.append(folder / f"{index:02}{suffix}")
            ffmpeg("-i", made, good[-1])
        # The seventeenth is the one that is under way when the kill comes.
        long = folder / "08-long.wav"
        sf.write(long, np.zeros((44_100 * 200, 1), np.int16), 44_100)
        good.append(long)
        (folder / "03-text.mp3").write_text("no sound at all")
        (folder / "07-empty.wav").write_bytes(b"")
        half = make(folder / "12-half.flac", 44_100, 2)
        half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
        good.append(half)

        run = [*COMMAND, "separate", str(folder), "-o", str(out), "--model", str(half_model)]
        first = subprocess.Popen(
            run, env=without_sound(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: list(out.glob(".08-long*part*")), "the long file to be under way")
        first.kill()
        first.wait()
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*")}
        assert {name[:2] for name in before} == {f"{index:02}" for index in range(8)}
        assert "08-long.beat.wav" not in before

        sf.write(long, np.zeros((44_100, 1), np.int16), 44_100)  # the rest of it proves nothing
        second = subprocess.run(run, env=without_sound(), capture_output=True, text=True)
        assert second.returncode == 3
        loss, counts, *failures, _ = second.stderr.splitlines()
        assert loss.startswith(f"{half}: it ends after 0.5")
        assert counts == "20 files: 10 separated, 8 done before, 2 failed"
        assert [line.split()[0] for line in failures] == [
            str(folder / name) for name in ("03-text.mp3", "07-empty.wav")
        ]
        after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.wav")}
        assert {name: after[name] for name in before} == before
        assert sorted(after) == sorted(
            f"{path.stem}.{stem}.wav" for path in good for stem in ("beat", "vocals")
        )
        for path in good:
            with AudioReader(path) as reader:
                length = sum(chunk.shape[-1] for chunk in reader.chunks())
            assert sf.info(out / f"{path.stem}.beat.wav").frames == length


@pytest.mark.slow
def test_jobs_at_a_time_come_to_the_same_files(command, tmp_path, unet_shaped_model):
    folder = tmp_path / "music"
    folder.mkdir()
    for index in range(6):
        sound = music(1.1, seed=index)
        sf.write(folder / f"{index}.wav", sound.T, 44_100)
    (folder / "3.wav").write_bytes(b"no sound")
    for jobs in (1, 3):
        run = ["separate", folder, "-o", tmp_path / str(jobs), "--jobs", jobs]
        done = command(*run, "--model", unet_shaped_model)
        assert done.code == 3
        assert done.stderr.startswith("6 files: 5 separated, 1 failed\n")
    one, three = ({p.name: p.read_bytes() for p in (tmp_path / n).glob("*.wav")} for n in "13")
    assert len(one) == 10
    assert one == three


@pytest.mark.slow
def test_bars_go_to_the_terminal_and_names_to_the_pipe(tmp_path, half_model):
    songs = [make(tmp_path / f"{name}.wav", 44_100, 2) for name in ("one", "two")]
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "separate", *map(str, songs), "--model", str(half_model)],
        env=without_sound() | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    stdout, _ = process.communicate(timeout=60)
    assert len(stdout.splitlines()) == 4
    assert stdout.startswith(str(tmp_path))
    for name in (b"one.wav", b"two.wav", b"2 files", b"100%"):
        assert name in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "streamsep: interrupted"), (signal.SIGTERM, 143, "")],
)
def test_being_stopped_leaves_nothing_behind(tmp_path, half_model, number, code, line):
    path = tmp_path / "long.flac"
    sf.write(path, np.zeros((44_100 * 900, 1), np.int16), 44_100)
    before = sorted(tmp_path.iterdir())
    process = subprocess.Popen(
        [*COMMAND, "separate", str(path), "--model", str(half_model)],
        env=without_sound(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: list(tmp_path.glob(".*part*")), "the unfinished stems")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (code, "", line)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_two_jobs_being_stopped_leave_whole_files_alone(tmp_path, half_model):
    folder, out = tmp_path / "music", tmp_path / "out"
    folder.mkdir()
    lengths = {"0-short": 1.0, "1-long": 900.0, "2-long": 900.0, "3-never": 1.0}
    for name, seconds in lengths.items():
        sf.write(folder / f"{name}.flac", np.zeros((round(44_100 * seconds), 1), np.int16), 44_100)
    process = subprocess.Popen(
        [
            *COMMAND,
            "separate",
            str(folder),
            "-o",
            str(out),
            "--jobs",
            "2",
            "--model",
            str(half_model),
        ],
        env=without_sound(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(
        lambda: all(list(out.glob(f".{name}.*part*")) for name in ("1-long", "2-long")),
        "two files to be under way",
    )
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)  # as long as one of its threads lives
    assert process.returncode == 130
    assert stderr.split("\n", 1)[1].strip() == "streamsep: interrupted"
    assert stderr.startswith("4 files: 1 separated, 3 still to do\n")
    whole = sorted(out / f"0-short.{stem}.wav" for stem in ("beat", "vocals"))
    assert sorted(out.glob("*.wav")) == whole == sorted(map(Path, stdout.split()))
    assert {path.name for path in out.glob(".*")} == {RECORDS}
    assert [sf.info(path).frames for path in whole] == [44_100, 44_100]
