"""Stem files for DJ programs: read back by FFmpeg and by stempeg, they sum to the song."""

import json
import struct
import subprocess

import av
import numpy as np
import pytest
import soundfile as sf
import stempeg

import streamsep
from streamsep.audio.files.mp4_boxes import add_user_data
from streamsep.audio.files.stem_file import places_of
from streamsep.errors import ArgumentError, OutputError
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg

RATE = 44_100
USAGE, OUTPUT = 2, 4
TRACKS = ("mix", "beat", "(silent)", "(silent)", "vocals")


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    sf.write(path, music(1.1).T, RATE, subtype="PCM_16")
    return path


@pytest.fixture
def band(tmp_path):
    masks = {"vocals": 0.3, "bass": 0.2, "drums": 0.4}
    return models.stem_masks(tmp_path / "band.onnx", masks)


def make(song, *, model="center-cut", **options):
    """The stem file of a song."""
    paths = streamsep.separate_file(song, format="stem.m4a", model=model, **options)
    assert len(set(paths.values())) == 1
    return next(iter(paths.values()))


def tracks(path, bits=16):
    """Samples of each track of sound as integers, by ffmpeg: (T, C, N) int64."""
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    form = {16: ("s16le", np.int16), 24: ("s32le", np.int32)}[bits]
    command = ["ffmpeg", "-v", "error", "-i", str(path)]
    read = [
        subprocess.run(
            [*command, "-map", f"0:a:{i}", "-f", form[0], "-"], capture_output=True, check=True
        ).stdout
        for i in range(count)
    ]
    sounds = [np.frombuffer(raw, form[1]).reshape(-1, 2).T.astype(np.int64) for raw in read]
    return np.stack(sounds) >> (8 if bits == 24 else 0)


def box(content, *path):
    """What is in a box of an MP4 file, given the boxes that lead to it."""
    for kind in path:
        place = 0
        while content[place + 4 : place + 8] != kind:
            (size,) = struct.unpack(">I", content[place : place + 4])
            assert size >= 8
            place += size
        (size,) = struct.unpack(">I", content[place : place + 4])
        content = content[place + 8 : place + size]
    return content


def manifest(path):
    return json.loads(box(path.read_bytes(), b"moov", b"udta", b"stem"))


@pytest.mark.slow
@pytest.mark.parametrize("bits", one_fast([16, 24]))
def test_the_stems_sum_to_the_song_bit_by_bit(tmp_path, bits):
    path = tmp_path / "song.wav"
    sf.write(path, music(1.1).T, RATE, subtype=f"PCM_{bits}")
    whole = sf.read(path, dtype="int32")[0].T.astype(np.int64) >> 32 - bits
    mix, *stems = tracks(make(path, bits=bits), bits)
    np.testing.assert_array_equal(mix, whole)
    np.testing.assert_array_equal(np.sum(stems, axis=0), whole)
    assert [bool(stem.any()) for stem in stems] == [True, False, False, True]


@pytest.mark.slow
def test_four_stems_stand_where_djs_expect_them_and_sum_to_the_song(song, band):
    path = make(song, model=band)
    names = [stem["name"] for stem in manifest(path)["stems"]]
    assert names == ["drums", "bass", "rest", "vocals"]
    mix, *stems = tracks(path)
    np.testing.assert_array_equal(np.sum(stems, axis=0), mix)
    loudness = [np.std(stem) for stem in stems]
    shares = np.array(loudness) / np.std(mix)
    np.testing.assert_allclose(shares, [0.4, 0.2, 0.1, 0.3], atol=0.01)


@pytest.mark.slow
def test_stempeg_reads_five_tracks_that_sum(song):
    sounds, rate = stempeg.read_stems(str(make(song)), multiprocess=False)
    assert (rate, sounds.shape) == (RATE, (5, round(1.1 * RATE), 2))
    # Steps of 16 bits are what float32 holds.
    np.testing.assert_array_equal(sounds[1:].sum(axis=0), sounds[0])
    np.testing.assert_array_equal(sounds[0], sf.read(song, dtype="float32")[0])


def test_tracks_are_named_coloured_and_the_mixture_alone_is_enabled(song):
    path = make(song)
    told = manifest(path)
    assert told["version"] == 1
    assert [stem["name"] for stem in told["stems"]] == [*TRACKS[1:]]
    assert all(len(stem["color"]) == 7 for stem in told["stems"])
    assert not any(effect["enabled"] for effect in told["mastering_dsp"].values())
    with av.open(str(path)) as container:
        named = [stream.metadata["handler_name"] for stream in container.streams.audio]
        chosen = [bool(s.disposition & s.disposition.default) for s in container.streams.audio]
    assert named == [*TRACKS]
    assert chosen == [True, False, False, False, False]


@pytest.mark.slow
def test_aac_is_smaller_and_as_long_and_as_aligned(song):
    exact = make(song)
    size = exact.stat().st_size
    path = make(song, codec="aac")
    assert path.stat().st_size < size
    mix, *stems = tracks(path)
    whole = sf.read(song, dtype="int16")[0].T.astype(np.int64)
    # FFmpeg decodes the last frame whole; the file says how much of it is sound.
    with av.open(str(path)) as container:
        lengths = {float(s.duration * s.time_base * RATE) for s in container.streams.audio}
    assert lengths == {whole.shape[-1]}
    mix, *stems = (track[:, : whole.shape[-1]] for track in (mix, *stems))
    # At 256 kb/s; off by one sample it would be ten times as much.
    assert np.std(mix - whole) < 0.02 * np.std(whole)
    assert np.std(np.sum(stems, axis=0) - whole) < 0.03 * np.std(whole)


def test_tags_and_cover_are_kept(tmp_path):
    cover, song = tmp_path / "cover.png", tmp_path / "song.flac"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", 1, cover)
    sf.write(tmp_path / "plain.wav", music(0.5).T, RATE)
    picture = ["-map", "0", "-map", "1", "-disposition:v", "attached_pic", "-c:v", "copy"]
    ffmpeg("-i", tmp_path / "plain.wav", "-i", cover, *picture, "-metadata", "title=Tïtle", song)
    with av.open(str(make(song))) as container:
        assert container.metadata["title"] == "Tïtle"
        assert [stream.codec_context.name for stream in container.streams.video] == ["png"]
        assert len(container.streams.audio) == 5
    assert manifest(song.with_name("song.stem.m4a"))["version"] == 1


def test_mono_goes_to_both_sides_and_is_said(tmp_path):
    path = tmp_path / "mono.wav"
    sf.write(path, music(0.5, channels=1).T, RATE)
    with pytest.warns(UserWarning, match="its one channel is both"):
        sounds = tracks(make(path))
    np.testing.assert_array_equal(sounds[:, 0], sounds[:, 1])
    np.testing.assert_array_equal(sounds[1:].sum(axis=0), sounds[0])


def test_what_is_cut_at_full_scale_is_said(song):
    with pytest.warns(UserWarning, match="beyond full scale"):
        make(song, gain_db=20.0)


def test_a_mixture_beyond_full_scale_is_said_though_its_stems_aren_t(tmp_path, half_model):
    song = tmp_path / "loud.wav"
    sf.write(song, 3 * music(0.5).T, RATE, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"up to 3\.5 dB beyond full scale"):
        make(song, model=half_model)


def test_a_box_goes_into_what_is_there_and_other_files_are_refused(tmp_path):
    path = tmp_path / "x.mp4"
    with_none = b"\0\0\0\x0cfreexxxx" + b"\0\0\0\x10moov" + b"\0\0\0\x08mvhd"
    path.write_bytes(with_none)
    for number, told in enumerate((b"one", b"two"), 1):
        add_user_data(path, b"stem", told)
        content = box(path.read_bytes(), b"moov", b"udta")
        assert content.count(b"stem") == number
        assert content.endswith(b"\0\0\0\x0bstem" + told)
    for other in (b"", b"\0\0\0\x10moov", with_none + b"\0\0\0\x08free", b"no boxes at all"):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="index"):
            add_user_data(path, b"stem", b"x")
        assert path.read_bytes() == other


def test_a_stem_file_is_read_as_its_mixture(command, tmp_path, song):
    path = make(song)
    with pytest.warns(UserWarning, match="5 tracks"):
        again = streamsep.separate_file(path, tmp_path / "again", model="center-cut")
    whole = sf.read(song, dtype="float32")[0]
    total = sum(sf.read(stem, dtype="float32")[0] for stem in again.values())
    np.testing.assert_allclose(total, whole, atol=2 * 2**-23, rtol=0)  # each in 24 bits


def test_the_command_writes_one_file_says_it_once_and_knows_it_again(command, tmp_path, song):
    arguments = ["separate", song, "--model", "center-cut", "-o", tmp_path / "{name}.stem.m4a"]
    done = command(*arguments)
    assert (done.code, done.stdout) == (0, f"{tmp_path / 'song.stem.m4a'}\n")
    assert not list(tmp_path.glob(".*.part*"))
    assert "done before" in command(*arguments).stderr
    assert command(*arguments, "--codec", "aac").stdout == done.stdout  # another file than before


def test_folders_leave_out_the_stem_files_that_they_hold(command, tmp_path, song):
    arguments = ["separate", song.parent, "--model", "center-cut", "--format", "stem.m4a"]
    assert command(*arguments).code == 0
    again = command(*arguments)
    assert again.code == 0
    assert "1 done before" in again.stderr
    assert "1 left out, as stems of others" in again.stderr


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--format", "stem.m4a", "--stems", "beat"], USAGE, "all stems of the model"),
        (["--format", "stem.m4a", "-o", "{name}.{stem}"], USAGE, "leave {stem} out"),
        (["--format", "stem.m4a", "-o", "{name}.m4a"], USAGE, "one format"),
        (["--format", "stem.m4a", "--bits", "32"], OUTPUT, "16 or 24"),
        (["--format", "stem.m4a", "--codec", "aac", "--bits", "16"], OUTPUT, "alac"),
        (["--format", "wav", "--codec", "alac"], OUTPUT, "no codec to choose"),
    ],
)
def test_what_can_t_be_is_one_line_before_any_work(command, song, options, code, told):
    done = command("separate", song, "--model", "center-cut", *options)
    assert done.code == code
    assert told in done.stderr.splitlines()[-1]
    assert not list(song.parent.glob("*.m4a"))


def test_lossless_m4a_of_one_stem(song):
    paths = streamsep.separate_file(song, format="m4a", codec="alac", bits=24, model="center-cut")
    sounds = [tracks(path, 24)[0] for path in paths.values()]
    whole = sf.read(song, dtype="int32")[0].T.astype(np.int64) >> 8
    np.testing.assert_allclose(sum(sounds), whole, atol=1)  # each rounded by itself


def test_more_stems_than_places_are_refused(tmp_path, song):
    masks = dict.fromkeys(["drums", "bass", "piano", "guitar"], 0.2)
    many = models.stem_masks(tmp_path / "many.onnx", masks)
    with pytest.raises(ArgumentError, match="places for 4 stems"):
        make(song, model=many)


def test_an_unknown_codec_is_refused(song):
    with pytest.raises(ArgumentError, match="'opus'"):
        make(song, codec="opus")


def test_a_full_disk_leaves_nothing(tmp_path, song, monkeypatch):
    monkeypatch.setattr(
        "streamsep.audio.files.stem_file.add_user_data",
        lambda *arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(OutputError, match="No space left on device"):
        make(song)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize(
    ("stems", "places"),
    [
        (("vocals", "beat"), ("beat", None, None, "vocals")),
        (("vocals", "bass", "drums", "other"), ("drums", "bass", "other", "vocals")),
        (("drums", "beat", "vocals"), ("drums", "beat", None, "vocals")),
        (("piano", "rest"), ("piano", "rest", None, None)),
        (("piano", "vocals", "drums"), ("drums", "piano", None, "vocals")),
    ],
)
def test_known_stems_have_their_places(stems, places):
    assert places_of(stems) == places
