"""Videos, M4A, tags and covers through FFmpeg's real codecs."""

from base64 import b64encode
from hashlib import sha256

import av
import numpy as np
import pytest
import soundfile as sf
from mutagen import MutagenError
from mutagen.flac import Picture
from mutagen.id3 import TIT2, TXXX
from mutagen.mp3 import MP3
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from streamsep.audio.files.media import covers_of
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.stream_copies import VIDEO_SUFFIXES
from streamsep.errors import AudioFileError
from testing.signals import music
from tests.support.commands import ffmpeg

pytestmark = pytest.mark.slow  # as a whole

SECONDS = 2.0
TAGS = {"title": "Tïtle", "artist": "Someone", "album": "Songs", "track": "3", "genre": "Pop"}
CODECS = {
    ".mp4": ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"],
    ".mov": ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"],
    ".mkv": ["-c:v", "libx264", "-bf", "2", "-c:a", "flac"],
    ".webm": ["-c:v", "libvpx", "-c:a", "libopus", "-b:a", "256k"],
}


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "made" / "song.wav"
    path.parent.mkdir(exist_ok=True)
    sf.write(path, music(SECONDS, sample_rate=48_000).T, 48_000, subtype="FLOAT")
    return path


@pytest.fixture
def cover(tmp_path):
    path = tmp_path / "made" / "cover.png"
    path.parent.mkdir(exist_ok=True)
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", 1, path)
    return path


def make_video(path, song, *options):
    picture = ["-f", "lavfi", "-i", f"testsrc=s=64x48:r=25:d={SECONDS}", "-pix_fmt", "yuv420p"]
    ffmpeg(*picture[:-2], *options, "-i", song, *picture[-2:], *CODECS[path.suffix], path)
    return path


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1), reader.sample_rate


def pictures(path):
    """Time stamps and hashes of all packets that aren't sound."""
    with av.open(str(path)) as container:
        tracks = [stream for stream in container.streams if stream.type != "audio"]
        return [
            (
                stream.codec_context.name,
                packet.pts and float(packet.pts * packet.time_base),
                packet.is_keyframe,
                sha256(bytes(packet)).hexdigest(),
            )
            for stream in tracks
            for packet in (container.seek(0), *container.demux(stream))[1:]
            if packet.size
        ]


def covers(path):
    """Kind and content of each cover."""
    with av.open(str(path)) as container:
        return [(stream.codec_context.name, image) for stream, image in covers_of(container)]


def close_to(sound, other, share):
    """Whether two sounds are aligned and the same but for a share of their level."""
    count = min(sound.shape[-1], other.shape[-1])
    return np.std(sound[:, :count] - other[:, :count]) < share * np.std(other)


class TestReading:
    @pytest.mark.parametrize("suffix", [".m4a", ".mka", ".mp4", ".mkv", ".webm", ".mov"])
    def test_what_libsndfile_can_t(self, tmp_path, song, suffix):
        path = tmp_path / f"song{suffix}"
        if suffix in CODECS:
            make_video(path, song)
        else:
            ffmpeg("-i", song, path)
        sound, rate = read(path)
        assert (rate, len(sound)) == (48_000, 2)
        whole, _ = read(song)
        if suffix in (".m4a", ".mp4", ".mov"):  # these say how much of the last frame is sound
            assert sound.shape == whole.shape
        # Lossy, and tuned to hearing (Opus 0.11); off by one sample it would be 0.17. At most two
        # frames longer than the song.
        assert close_to(sound, whole, 0.15)
        assert 0 <= sound.shape[-1] - whole.shape[-1] <= 2 * 1024

    def test_six_channels_become_two_with_the_middle_in_both(self, tmp_path):
        six = tmp_path / "six.wav"
        sound = np.zeros((48_000, 6), np.float32)
        sound[:, 2] = music(1.0, sample_rate=48_000, channels=1)[0]  # the centre: FL FR FC …
        sf.write(six, sound, 48_000, subtype="FLOAT")
        ffmpeg("-i", six, "-c:a", "flac", tmp_path / "six.mka")
        stereo, _ = read(tmp_path / "six.mka")
        np.testing.assert_array_equal(stereo[0], stereo[1])
        assert np.std(stereo[0]) > 0.2 * np.std(sound[:, 2])

    def test_half_a_file_is_read_as_far_as_it_goes(self, tmp_path, song):
        path = tmp_path / "song.m4a"
        ffmpeg("-i", song, "-movflags", "+faststart", path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with AudioReader(path) as reader:
            sound = np.concatenate(list(reader.chunks()), axis=-1)
        assert 0.3 < sound.shape[-1] / 48_000 < 1.7
        assert "and its header says 2.000 s" in reader.notices.all[-1].text

    def test_sound_that_nobody_can_decode_is_said(self, tmp_path, song):
        content = bytearray(song.read_bytes())
        place = content.index(b"fmt ") + 8
        content[place : place + 2] = b"\x34\x12"  # a format without a name
        (tmp_path / "odd.wav").write_bytes(content)
        with pytest.raises(AudioFileError, match=r"as sound \(no decoder for its sound\)"):
            read(tmp_path / "odd.wav")

    def test_a_picture_alone_is_no_sound(self, tmp_path, cover):
        ffmpeg("-i", cover, "-c:v", "ffv1", tmp_path / "silent.mkv")
        with pytest.raises(AudioFileError, match=r"silent\.mkv holds no sound"):
            read(tmp_path / "silent.mkv")

    def test_a_gap_in_the_time_stamps_is_silence(self, tmp_path, song):
        ffmpeg(
            "-i",
            song,
            "-af",
            "aselect='not(between(t,0.5,1.0))'",
            "-c:a",
            "flac",
            tmp_path / "gap.mka",
        )
        sound, _ = read(tmp_path / "gap.mka")
        whole, _ = read(song)
        # Time stamps are in milliseconds, and the cut is by frames.
        assert abs(sound.shape[-1] - whole.shape[-1]) <= 48
        assert not sound[:, 30_000:44_000].any()
        assert np.std(sound[:, 60_000:]) > 0.5 * np.std(whole[:, 60_000:])


class TestTags:
    @pytest.fixture
    def tagged(self, tmp_path, song, cover):
        path = tmp_path / "song.mp3"
        tags = [part for key, text in TAGS.items() for part in ("-metadata", f"{key}={text}")]
        ffmpeg(
            "-i",
            song,
            "-i",
            cover,
            "-map",
            0,
            "-map",
            1,
            "-c:v",
            "copy",
            *tags,
            "-metadata",
            "replaygain_track_gain=-7.5 dB",
            path,
        )
        return path

    @pytest.mark.parametrize("form", ["flac", "mp3", "m4a", "wav", "ogg"])
    def test_tags_and_cover_are_kept(self, command, tmp_path, tagged, half_model, cover, form):
        run = ["separate", tagged, "--format", form, "-o", tmp_path / "out", "--model", half_model]
        done = command(*run)
        assert done.code == 0, done.stderr
        for stem in ("beat", "vocals"):
            path = tmp_path / "out" / f"song.{stem}.{form}"
            with av.open(str(path)) as container:
                found = {**container.streams.audio[0].metadata, **container.metadata}
            found = {key.lower(): text for key, text in found.items()}
            assert {key: found.get(key) for key in TAGS} == TAGS
            assert not any("replaygain" in key for key in found)
            assert covers(path) == [("png", cover.read_bytes())]
            if form != "m4a":
                assert sf.info(path).frames == sf.info(tagged).frames

    @pytest.mark.parametrize("kind", [OggVorbis, OggOpus])
    def test_ogg_s_own_covers_are_taken_over(
        self, command, tmp_path, song, half_model, cover, kind
    ):
        path = tmp_path / f"song.{'opus' if kind is OggOpus else 'ogg'}"
        ffmpeg("-i", song, "-c:a", "libopus" if kind is OggOpus else "libvorbis", path)
        picture = Picture()
        picture.type, picture.mime, picture.data = 3, "image/png", cover.read_bytes()
        file = kind(path)
        file["metadata_block_picture"] = b64encode(picture.write()).decode()
        file["composer"] = "Sömeone"
        file.save()
        for form in ("wav", "ogg", "m4a"):
            run = ["separate", path, "--stems", "beat", "--format", form, "--model", half_model]
            assert command(*run, "-o", tmp_path / "out").code == 0
            beat = tmp_path / "out" / f"song.beat.{form}"
            assert covers(beat) == [("png", cover.read_bytes())]
            with AudioReader(beat) as reader, av.open(str(beat)) as container:
                found = {**container.streams.audio[0].metadata, **container.metadata}
                assert found["composer"] == "Sömeone"
                assert reader.frames == SECONDS * 48_000

    @pytest.mark.parametrize("form", ["flac", "mp3", "wav", "ogg"])
    def test_front_and_back_stay_what_they_are(
        self, command, tmp_path, song, half_model, cover, form
    ):
        path = tmp_path / "song.mp3"
        ffmpeg(
            "-i",
            song,
            "-i",
            cover,
            "-i",
            cover,
            "-map",
            0,
            "-map",
            1,
            "-map",
            2,
            "-c:v",
            "copy",
            "-metadata:s:v:0",
            "comment=Cover (front)",
            "-metadata:s:v:1",
            "comment=Cover (back)",
            path,
        )
        done = command("separate", path, "--format", form, "--model", half_model)
        assert done.code == 0, done.stderr
        with av.open(str(tmp_path / f"song.beat.{form}")) as container:
            kinds = [stream.metadata["comment"] for stream, _ in covers_of(container)]
        assert kinds == ["Cover (front)", "Cover (back)"]

    @pytest.mark.parametrize("form", ["flac", "mp3", "m4a", "wav", "ogg"])
    def test_a_cover_that_the_format_doesn_t_know_is_left_out(
        self, command, tmp_path, song, half_model, cover, form
    ):
        path = tmp_path / "song.mp3"
        ffmpeg("-i", song, "-i", cover, "-map", 0, "-map", 1, "-c:v", "gif", path)
        done = command("separate", path, "--format", form, "--model", half_model)
        assert done.code == 0, done.stderr
        assert covers(tmp_path / f"song.beat.{form}") == []

    @pytest.mark.parametrize("frames", [44_100, 44_101])  # 24 bits of the latter need padding
    def test_tags_move_no_sample(self, command, tmp_path, half_model, frames):
        sound = music(1.1, channels=1)[0, :frames]
        sf.write(tmp_path / "plain.wav", sound, 44_100, subtype="FLOAT")
        sf.write(tmp_path / "tagged.wav", sound, 44_100, subtype="FLOAT")
        copy = WAVE(tmp_path / "tagged.wav")
        copy.add_tags()
        copy.tags.add(TIT2(text="Title"))
        copy.save()
        for form in ("wav", "ogg"):
            run = ["separate", tmp_path, "--overwrite", "--stems", "beat", "--format", form]
            assert command(*run, "--model", half_model).code == 0
            plain, tagged = (tmp_path / f"{name}.beat.{form}" for name in ("plain", "tagged"))
            np.testing.assert_array_equal(sf.read(tagged)[0], sf.read(plain)[0])
            assert tagged.stat().st_size > plain.stat().st_size

    @pytest.mark.parametrize("form", ["flac", "mp3", "m4a", "wav", "ogg"])
    @pytest.mark.parametrize("suffix", [".wav", ".mka"])
    def test_tags_of_old_encodings_are_read_as_the_most_frequent_of_them(
        self, command, tmp_path, song, half_model, suffix, form
    ):
        path = tmp_path / "song.wav"
        ffmpeg("-i", song, "-metadata", "title=Caf__", "-metadata", "artist=Jemand", path)
        path.write_bytes(path.read_bytes().replace(b"Caf__", b"Caf\xe9!"))
        if suffix != ".wav":
            path, wav = path.with_suffix(suffix), path
            ffmpeg("-i", wav, path)
        run = ["separate", path, "--stems", "beat", "--format", form, "--model", half_model]
        done = command(*run, "-o", tmp_path / "out")
        assert done.code == 0, done.stderr
        with av.open(str(tmp_path / "out" / f"song.beat.{form}")) as container:
            found = {**container.streams.audio[0].metadata, **container.metadata}
        assert {key.lower(): text for key, text in found.items()}["title"] == "Café!"

    @pytest.mark.parametrize("form", ["flac", "mp3", "m4a", "wav", "ogg"])
    def test_tags_of_any_name_stop_nothing(self, command, tmp_path, tagged, half_model, form):
        file = MP3(tagged)
        for name in ("Größe", "a=b", "", "~", "line\nbreak"):
            file.tags.add(TXXX(desc=name, text="x"))
        file.save()
        run = ["separate", tagged, "--stems", "beat", "--format", form, "--model", half_model]
        done = command(*run, "-o", tmp_path / "out")
        assert done.code == 0, done.stderr
        with AudioReader(tmp_path / "out" / f"song.beat.{form}") as reader:
            assert reader.tags["title"] == TAGS["title"]

    def test_a_full_disk_while_tags_are_written_is_one_line(
        self, command, tmp_path, tagged, half_model, monkeypatch
    ):
        def full(*arguments):
            raise MutagenError("No space left on device")

        monkeypatch.setattr("mutagen.oggvorbis.OggVorbis.save", full)
        run = ["separate", tagged, "--format", "ogg", "-o", tmp_path / "out"]
        done = command(*run, "--model", half_model)
        assert done.code == 4
        assert "can't be given tags (No space left on device); expected" in done.stderr
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("form", ["flac", "mp3", "m4a", "wav", "ogg"])
def test_stems_are_as_long_as_the_song_in_every_format(command, tmp_path, half_model, form):
    sf.write(tmp_path / "song.wav", music(1.1).T[:47_777], 44_100)  # no whole milliseconds
    done = command("separate", tmp_path / "song.wav", "--format", form, "--model", half_model)
    assert done.code == 0, done.stderr
    assert read(tmp_path / f"song.beat.{form}")[0].shape == (2, 47_777)


class TestVideos:
    @pytest.mark.parametrize("suffix", CODECS)
    def test_the_picture_is_kept_bit_by_bit_and_the_sound_is_the_beat(
        self, command, tmp_path, song, half_model, suffix
    ):
        path = make_video(tmp_path / f"clip{suffix}", song)
        done = command("separate", path, "--model", half_model)
        assert done.code == 0, done.stderr
        beat = tmp_path / f"clip.beat{suffix}"
        assert done.stdout == f"{beat}\n"
        assert len(pictures(path)) == 25 * SECONDS
        assert pictures(beat) == pictures(path)
        whole, _ = read(path)
        sound, rate = read(beat)
        assert rate == 48_000
        assert close_to(sound, 0.5 * whole, 0.1)
        assert not close_to(sound, whole, 0.4)

    def test_sound_that_starts_later_than_the_picture_stays_there(
        self, command, tmp_path, song, half_model
    ):
        path = make_video(tmp_path / "clip.mkv", song, "-itsoffset", 0.5)
        assert command("separate", path, "--model", half_model).code == 0
        assert pictures(tmp_path / "clip.beat.mkv") == pictures(path)
        with AudioReader(path) as before, AudioReader(tmp_path / "clip.beat.mkv") as after:
            # By two milliseconds, the container's steps; the encoder's head start of 1,024
            # samples stands before it.
            assert before.start_s == pytest.approx(0.5, abs=2e-3)
            assert after.start_s == pytest.approx(0.5, abs=1024 / 48_000 + 2e-3)

    def test_fonts_and_covers_within_matroska_stay_there(
        self, command, tmp_path, song, half_model, cover
    ):
        font = tmp_path / "made" / "font.ttf"
        font.write_bytes(b"a font")
        attach = [
            "-attach",
            font,
            "-metadata:s:t:0",
            "mimetype=font/ttf",
            "-attach",
            cover,
            "-metadata:s:t:1",
            "mimetype=image/png",
        ]
        path = tmp_path / "clip.mkv"
        ffmpeg("-i", make_video(tmp_path / "made" / "clip.mkv", song), "-c", "copy", *attach, path)
        assert command("separate", path, "--model", half_model).code == 0
        beat = tmp_path / "clip.beat.mkv"
        with av.open(str(beat)) as container:
            (attached,) = (s for s in container.streams if s.type == "attachment")
            assert (attached.name, attached.mimetype) == ("font.ttf", "font/ttf")
            assert attached.data == b"a font"
            assert len(container.streams) == 4
        assert covers(beat) == [("png", cover.read_bytes())]

    def test_a_video_s_cover_is_kept(self, command, tmp_path, song, half_model, cover):
        made, path = tmp_path / "made" / "clip.mp4", tmp_path / "clip.mp4"
        ffmpeg(
            "-i",
            make_video(made, song),
            "-i",
            cover,
            "-map",
            0,
            "-map",
            1,
            "-c",
            "copy",
            "-disposition:v:1",
            "attached_pic",
            path,
        )
        assert command("separate", path, "--model", half_model).code == 0
        assert covers(tmp_path / "clip.beat.mp4") == [("png", cover.read_bytes())]

    def test_with_a_format_it_is_sound_alone(self, command, tmp_path, song, half_model):
        path = make_video(tmp_path / "clip.mp4", song)
        done = command("separate", path, "--format", "wav", "--model", half_model)
        names = [f"{tmp_path}/clip.{stem}.wav" for stem in ("vocals", "beat")]
        assert (done.code, done.stdout.splitlines()) == (0, names)
        assert sf.info(names[0]).duration == SECONDS

    def test_all_video_suffixes_are_tried(self):
        assert set(VIDEO_SUFFIXES) - set(CODECS) == {".m4v"}  # MP4 by another name
