from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.cli import main
from export.data.manifest import Track, read_manifest
from export.data.prepare import prepare_tracks
from export.data.sources import find_songs, find_voices
from export.errors import DataError

MakeSong = Callable[..., Path]

INT16_STEP = 1 / 32_768


def prepare(*arguments: object) -> None:
    main(["prepare", *map(str, arguments)])


def by_id(folder: Path) -> dict[str, Track]:
    return {t.id: t for t in read_manifest(folder)}


def read(folder: Path, track: Track, name: str) -> np.ndarray:
    return sf.read(folder / track.files[name], always_2d=True)[0]


def test_a_song_becomes_its_stems_and_files_that_sum(make_song: MakeSong, tmp_path: Path) -> None:
    songs = make_song("one", vocals=440, drums=110, other=220)
    out = tmp_path / "out"
    prepare("--songs", songs, "--out", out, "--valid-share", 0)
    track = by_id(out)["songs-one"]
    assert (track.kind, track.split, track.samples) == ("song", "train", 7 * 44_100)
    assert set(track.files) == {"mixture", "vocals", "drums", "other", "accompaniment"}
    files = {name: read(out, track, name) for name in track.files}
    info = sf.info(out / track.files["mixture"])
    assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "PCM_16")
    total = files["vocals"] + files["accompaniment"]
    # Three files are each rounded to 16 bit.
    assert np.abs(files["mixture"] - total).max() <= 1.5 * INT16_STEP
    beat = sf.read(songs / "one/drums.wav")[0] + sf.read(songs / "one/other.wav")[0]
    assert np.abs(files["accompaniment"] - beat).max() <= 2 * INT16_STEP


def test_a_song_without_vocals_is_vocal_free(make_song: MakeSong, tmp_path: Path) -> None:
    songs = make_song("deep/down", guitar=330, bass=55)
    prepare("--songs", songs, "--out", tmp_path / "out", "--valid-share", 0)
    track = by_id(tmp_path / "out")["songs-deep-down"]
    assert track.kind == "accompaniment"
    assert set(track.files) == {"accompaniment", "guitar", "bass"}


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".flac"])
def test_other_formats_and_rates_are_converted(
    make_song: MakeSong, tmp_path: Path, suffix: str
) -> None:
    songs = make_song("one", suffix=suffix, rate=32_000, seconds=2, vocals=440, rest=110)
    prepare("--songs", songs, "--out", tmp_path / "out", "--valid-share", 0, "--format", "flac")
    track = by_id(tmp_path / "out")["songs-one"]
    # MP3 may add up to two blocks of 1152 samples, at the file's rate.
    assert abs(track.samples - 2 * 44_100) < 2 * 1152 * 44_100 / 32_000
    vocals = read(tmp_path / "out", track, "vocals")[:44_100, 0]
    peak_hz = np.abs(np.fft.rfft(vocals)).argmax()
    assert peak_hz == 440


def test_loud_stems_are_scaled_together_and_the_gain_is_kept(
    make_song: MakeSong, tmp_path: Path
) -> None:
    songs = make_song("loud", level=0.9, vocals=440, drums=440)  # in phase: peak 1.8
    prepare("--songs", songs, "--out", tmp_path / "out", "--valid-share", 0)
    track = by_id(tmp_path / "out")["songs-loud"]
    assert track.gain_db == pytest.approx(20 * np.log10(1 / 1.8), abs=0.01)
    mixture = read(tmp_path / "out", track, "mixture")
    assert 0.99 < np.abs(mixture).max() < 1
    vocals = read(tmp_path / "out", track, "vocals")
    assert np.abs(vocals).max() == pytest.approx(0.5, abs=0.001)


def test_excerpts_are_from_the_middles_of_equal_parts(tmp_path: Path) -> None:
    rate, minutes, whole = 8_000, 3, 20
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    time = np.arange(minutes * 60 * rate) / rate
    chirp = 0.1 * np.sin(2 * np.pi * (200 + 5 * time) * time)  # 200 Hz and 10 Hz more each second
    sf.write(pieces / "long.flac", chirp, rate)
    sf.write(pieces / "short.flac", chirp[: whole * rate], rate)
    prepare("--excerpts", pieces, "--out", tmp_path / "out", "--valid-share", 0)
    tracks = by_id(tmp_path / "out")
    assert {name: t.seconds for name, t in tracks.items()} == {
        "pieces-long-0": 25,
        "pieces-long-1": 25,
        "pieces-short-0": whole,
    }
    assert {t.kind for t in tracks.values()} == {"accompaniment"}
    for name, start in (("pieces-long-0", 45 - 12.5), ("pieces-long-1", 135 - 12.5)):
        sound = read(tmp_path / "out", tracks[name], "accompaniment")[: 44_100 // 10, 0]
        hertz = np.diff(np.signbit(sound)).sum() / 2 * 10
        assert hertz == pytest.approx(200 + 10 * (start + 0.05), abs=10)


def test_a_voice_folder_is_one_speaker(make_song: MakeSong, tmp_path: Path) -> None:
    voices = make_song("anna", root="voices", seconds=1, word1=300, word2=400)
    prepare("--speech", voices, "--out", tmp_path / "out", "--valid-share", 0)
    track = by_id(tmp_path / "out")["voices-anna"]
    assert (track.kind, set(track.files)) == ("speech", {"vocals"})
    assert track.seconds == pytest.approx(2.25)  # two words and a pause between
    assert track.members == ["word1.wav", "word2.wav"]


def test_finished_tracks_are_skipped_and_unfinished_ones_made_again(
    make_song: MakeSong, tmp_path: Path
) -> None:
    make_song("one", vocals=440, drums=110)
    songs = make_song("two", vocals=550, drums=110)
    out = tmp_path / "out"
    seen: list[tuple[str, bool]] = []

    def stop_after_one(source: object, skipped: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_tracks(list(find_songs(songs)), out, done=stop_after_one)
    (out / "songs-two.partial").mkdir()  # what a killed run leaves behind
    (out / "songs-two.partial" / "mixture.wav").write_bytes(b"half")
    prepare_tracks(
        list(find_songs(songs)), out, done=lambda s, skipped: seen.append((s.id, skipped))
    )
    assert seen == [("songs-one", True), ("songs-two", False)]
    assert sorted(p.name for p in out.iterdir()) == ["songs-one", "songs-two"]


def test_a_piece_that_cannot_be_read_is_an_error_before_anything_is_extracted(
    make_song: MakeSong, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_song("one", root="pieces", seconds=2, first=440)
    pieces = make_song("two", root="pieces", seconds=2, second=440)
    (pieces / "two" / "second.wav").write_bytes(b"no audio")
    with pytest.raises(SystemExit):
        prepare("--excerpts", pieces, "--out", tmp_path / "out")
    assert "second.wav can't be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_track_that_fails_leaves_nothing_under_its_name(
    make_song: MakeSong, tmp_path: Path
) -> None:
    songs = make_song("one", vocals=440, drums=110)
    (songs / "one" / "drums.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match=r"drums\.wav can't be read"):
        prepare_tracks(list(find_songs(songs)), tmp_path / "out")
    assert not (tmp_path / "out" / "songs-one").exists()


def test_licences_come_from_the_table(make_song: MakeSong, tmp_path: Path) -> None:
    songs = make_song("one", vocals=440, drums=110)
    table = tmp_path / "SOURCES.tsv"
    table.write_text(
        "file\trepo\tlicence\n"
        "songs/one/vocals.wav\tanna/songs\tCC0-1.0\n"
        "songs/one/drums.wav\tanna/drums\tCC BY 4.0\n"
    )
    prepare("--songs", songs, "--sources", table, "--out", tmp_path / "out", "--valid-share", 0)
    track = by_id(tmp_path / "out")["songs-one"]
    assert track.licence == "CC BY 4.0 | CC0-1.0"
    assert track.source == "anna/drums | anna/songs"


def test_excluded_files_stay_out(make_song: MakeSong, tmp_path: Path) -> None:
    make_song("one", vocals=440, drums=110)
    songs = make_song("two", vocals=440, drums=110)
    prepare("--songs", songs, "--exclude", "one/*", "--out", tmp_path / "out", "--valid-share", 0)
    assert set(by_id(tmp_path / "out")) == {"songs-two"}


@pytest.mark.parametrize(
    ("stems", "named"),
    [
        ({"vocals": 440}, "vocals"),
        ({"vocals": 440, "vox": 440, "drums": 110}, "vocals, vox"),
        ({"vocals": 440, "accompaniment": 110, "drums": 110}, "accompaniment, drums"),
    ],
)
def test_odd_stems_are_named(
    make_song: MakeSong,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    stems: dict[str, float],
    named: str,
) -> None:
    songs = make_song("odd", seconds=0.1, **stems)
    with pytest.raises(SystemExit) as stop:
        prepare("--songs", songs, "--out", tmp_path / "out")
    assert stop.value.code == DataError.exit_code
    message = capsys.readouterr().err
    assert named in message
    assert "--exclude" in message


def test_missing_and_empty_folders_are_one_line_errors(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for folder, what in ((tmp_path / "absent", "is not a folder"), (tmp_path, "no audio under")):
        with pytest.raises(SystemExit) as stop:
            prepare("--songs", folder, "--out", tmp_path / "out")
        assert stop.value.code == DataError.exit_code
        message = capsys.readouterr().err
        assert what in message
        assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros((10, 3)), "3 channels"),
        (np.zeros((0, 2)), "is empty"),
        (np.full((10, 2), np.nan), "NaN"),
    ],
)
def test_unusable_audio_is_refused(tmp_path: Path, samples: np.ndarray, what: str) -> None:
    (tmp_path / "anna").mkdir()
    sf.write(tmp_path / "anna" / "word.wav", samples, 44_100, subtype="FLOAT")
    with pytest.raises(DataError, match=what):
        prepare_tracks(list(find_voices(tmp_path, "voice")), tmp_path / "out")


@pytest.mark.slow
def test_tracks_to_train_on_come_once_more_as_a_codec_leaves_them(
    make_song: MakeSong, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two", "three"):
        songs = make_song(name, vocals=440, drums=110, other=3_000)
    out = tmp_path / "out"
    patterns = ["--valid", "*-two", "--codec-augmentation", "*-o*", "--codec-augmentation", "*w*"]
    arguments = ["--songs", songs, "--out", out, *patterns]
    prepare(*arguments)
    tracks = by_id(out)
    assert set(tracks) == {"lossy-songs-one", "songs-one", "songs-two", "songs-three"}
    true, coded = tracks["songs-one"], tracks["lossy-songs-one"]
    assert (coded.kind, coded.split, coded.samples) == (true.kind, "train", true.samples)
    assert coded.files.keys() == true.files.keys()
    files = {name: read(out, coded, name)[:, 0] for name in coded.files}
    for name, sound in files.items():
        error = sound - read(out, true, name)[:, 0]
        # Near, in time, and not the same: a codec keeps tones to a few percent.
        assert 1e-8 < np.square(error).mean() < 0.01 * np.square(sound).mean(), name
    total = files["vocals"] + files["accompaniment"]
    assert np.abs(files["mixture"] - total).max() <= 1.5 * INT16_STEP  # each is rounded
    before = {path: path.stat().st_mtime_ns for path in out.glob("lossy-*/*")}
    prepare(*arguments)
    assert {path: path.stat().st_mtime_ns for path in out.glob("lossy-*/*")} == before
    with pytest.raises(SystemExit) as stop:
        prepare(*arguments, "--codec-augmentation", "nobody*")
    assert stop.value.code == DataError.exit_code
    assert "--codec-augmentation nobody* matches no track" in capsys.readouterr().err


def test_nothing_to_prepare_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        prepare("--out", tmp_path)
    assert stop.value.code == 2
