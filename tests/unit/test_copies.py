"""What is beside the sound: every container and codec that ffmpeg writes, into what we write."""

import subprocess
from hashlib import sha256

import av
import pytest
import soundfile as sf

from streamsep.audio.files.stream_copies import VIDEO_SUFFIXES, video_suffix
from testing.signals import music
from tests.support import models
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

pytestmark = pytest.mark.slow  # as a whole

SECONDS = 0.4
# Pictures by their codecs, and the size or colours that some of them want.
CODECS = {
    "wmv1": [],
    "wmv2": [],
    "msmpeg4v2": [],
    "msmpeg4": [],
    "h263": [],
    "flv1": [],
    "cinepak": ["-pix_fmt", "rgb24"],
    "huffyuv": ["-pix_fmt", "yuv422p"],
    "ffvhuff": [],
    "utvideo": [],
    "magicyuv": [],
    "msvideo1": ["-pix_fmt", "rgb555le"],
    "mjpeg": ["-pix_fmt", "yuvj420p"],
    "mpeg4": [],
    "mpeg1video": [],
    "mpeg2video": [],
    "libx264": ["-bf", "2"],
    "libx265": ["-x265-params", "log-level=none"],
    "libvpx": [],
    "libvpx-vp9": [],
    "libtheora": [],
    "ffv1": [],
    "dvvideo": ["-s", "720x576", "-pix_fmt", "yuv420p"],
    "prores": ["-pix_fmt", "yuv422p10le"],
}
CONTAINERS = {
    "avi": ["-c:a", "pcm_s16le"],
    "mp4": ["-c:a", "aac"],
    "webm": ["-c:a", "libopus"],
    "ogv": ["-c:a", "libvorbis"],
    "mpg": ["-c:a", "mp2"],
    "mkv": ["-c:a", "flac"],
    "flv": ["-c:a", "aac"],
    "vob": ["-c:a", "ac3"],
    "ts": ["-c:a", "aac"],
    "3gp": ["-c:a", "aac", "-ac", "1"],
    "mxf": ["-c:a", "pcm_s16le", "-ar", "48000"],
    "wmv": ["-c:a", "wmav2"],
    "nut": ["-c:a", "pcm_s16le"],
    "mov": ["-c:a", "aac"],
}
# Containers for few codecs: what else FFmpeg 5 writes into them, nobody reads.
AT_HOME = {
    "ts": {"mpeg2video", "libx264", "libx265", "mpeg4", "mpeg1video"},
    "mpg": {"mpeg1video", "mpeg2video"},
    "vob": {"mpeg2video"},
    "mxf": {"mpeg2video"},
    "webm": {"libvpx", "libvpx-vp9"},
    "3gp": {"mpeg4", "libx264", "h263"},
    "flv": {"flv1", "libx264"},
    "ogv": {"libtheora"},
}
KINDS = {
    ".mp4": "mov_text",
    ".mov": "mov_text",
    ".mkv": "srt",
    ".mkv ass": "ass",
    ".mkv vtt": "webvtt",
}
TEXT = """1
00:00:00,100 --> 00:00:00,200
One

2
00:00:00,250 --> 00:00:00,350
Two <i>three</i>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    sf.write(folder / "song.wav", music(SECONDS, sample_rate=44_100).T, 44_100)
    (folder / "text.srt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return models.constant_mask(tmp_path_factory.mktemp("models") / "half.onnx", 0.5)


def make(folder, name, codec, container, *more):
    """A file of a picture and a sound; None where ffmpeg itself can't."""
    path = folder / name
    size = [] if codec != "h263" else ["-s", "176x144"]
    picture = ["-f", "lavfi", "-i", f"testsrc=s=176x144:r=25:d={SECONDS}"]
    command = ["ffmpeg", "-v", "error", "-y", *picture, "-i", folder / "song.wav", *more]
    options = ["-c:v", codec, "-g", "10", *size, *(CODECS[codec] or ["-pix_fmt", "yuv420p"])]
    done = subprocess.run(
        [*command, *options, *CONTAINERS[container], path], check=False, stderr=subprocess.DEVNULL
    )
    return path if done.returncode == 0 else None


def pictures(path):
    """Codec of each moving picture, and the hashes of its frames."""
    found = []
    with av.open(str(path)) as container:
        for stream in container.streams.video:
            frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(stream))
            hashes = [sha256(frame.tobytes()).hexdigest() for frame in frames]
            found.append((stream.codec_context.name, hashes))
    return found


@pytest.mark.parametrize("container", one_of_many(CONTAINERS, 5))
def test_the_picture_stays_whatever_holds_it(folder, model, command, container):
    """Of all codecs that ffmpeg here writes into a container, and reads from it."""
    tried = 0
    for codec in (each for each in CODECS if each in AT_HOME.get(container, CODECS)):
        path = make(folder, f"{codec}.{container}", codec, container)
        try:
            (before,) = pictures(path) if path is not None else ()
        except (av.FFmpegError, ValueError, AttributeError):
            continue
        check_copy(command, model, path, before)
        tried += 1
    assert tried


def check_copy(command, model, path, before):
    done = command("separate", path, "--overwrite", "--model", model)
    assert done.code == 0, done.stderr
    beat = next(path.parent.glob(f"{path.stem}.beat.*"))
    try:
        own = path.suffix in VIDEO_SUFFIXES and beat.suffix == path.suffix
        assert own or beat.suffix == ".mkv"
        (after,) = pictures(beat)
        assert len(before[1]) >= 9
        assert after == before
        assert done.stderr == ""
    finally:
        beat.unlink()
        path.unlink()


def test_a_picture_that_nothing_holds_leaves_the_sound_and_a_line(folder, model, command):
    """Raw video in AVI has four zeros for a name."""
    path = folder / "raw.avi"
    picture = f"testsrc=s=32x32:r=10:d={SECONDS}"
    source = ["-f", "lavfi", "-i", picture, "-i", folder / "song.wav"]
    ffmpeg(*source, "-c:v", "rawvideo", "-pix_fmt", "bgr24", "-c:a", "pcm_s16le", path)
    done = command("separate", path, "--model", model)
    assert done.code == 0
    assert done.stderr == (f"{path}: its picture (rawvideo) is left out: .mkv can't hold it\n")
    with av.open(str(folder / "raw.beat.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


class TestSubtitles:
    def texts(self, path):
        with av.open(str(path)) as container:
            (stream,) = container.streams.subtitles
            found = []
            for packet in container.demux(stream):
                if packet.size:
                    start = float(packet.pts * packet.time_base)
                    payload = bytes(packet)
                    if stream.codec_context.name == "mov_text":
                        payload = payload[2 : 2 + int.from_bytes(payload[:2], "big")]
                    if payload:
                        found.append((round(start, 2), payload.decode()))
            return stream.codec_context.name, stream.metadata.get("language"), found

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
    def test_text_goes_into_every_format(self, folder, model, command, kind, suffix):
        path = folder / f"sub{kind.replace(' ', '-')}{kind.split()[0]}"
        make(
            folder,
            path.name,
            "libx264",
            kind.split()[0][1:],
            "-i",
            folder / "text.srt",
            "-map",
            "0",
            "-map",
            "1",
            "-map",
            "2",
            "-c:s",
            KINDS[kind],
            "-metadata:s:s:0",
            "language=deu",
        )
        out = folder / f"out{path.stem}{suffix}"
        done = command(
            "separate", path, "--stems", "beat", "-o", out, "--overwrite", "--model", model
        )
        assert done.code == 0, done.stderr
        codec, language, texts = self.texts(out)
        assert codec == ("mov_text" if suffix != ".mkv" else codec)
        if ".mov" not in (suffix, path.suffix):  # which has no number for "deu"
            assert language == "deu"
        plain = [(start, text.split(",", 8)[-1].strip()) for start, text in texts]
        plain = [(start, text.replace("<i>", "").replace("</i>", "")) for start, text in plain]
        plain = [(s, t.replace("{\\i1}", "").replace("{\\i0}", "")) for s, t in plain]
        assert plain == [(0.1, "One"), (0.25, "Two three")]
        kept = suffix == path.suffix or "mkv" not in path.suffix + suffix
        assert ("are written as" in done.stderr) != kept

    def test_pictures_of_text_are_left_out_with_a_line(self, folder, model, command):
        path = folder / "dvd.mkv"
        make(
            folder, path.name, "libx264", "mkv", "-i", folder / "text.srt", "-map", "0", "-map", "1"
        )
        with_pictures = folder / "pgs.mkv"
        with av.open(str(path)) as source, av.open(str(with_pictures), "w") as target:
            copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
            text = target.add_mux_stream("hdmv_pgs_subtitle")
            target.start_encoding()
            for packet in source.demux():
                if packet.size:
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
            packet = av.Packet(bytes(20))
            packet.pts = packet.dts = 100
            packet.stream = text
            target.mux(packet)
        done = command(
            "separate",
            with_pictures,
            "--stems",
            "beat",
            "-o",
            folder / "pgs-out.mp4",
            "--overwrite",
            "--model",
            model,
        )
        assert done.code == 0, done.stderr
        assert "its subtitles (pgssub) is left out: .mp4 can't hold it" in done.stderr


def chapters(path):
    with av.open(str(path)) as container:
        return [
            (round(float(c["start"] * c["time_base"]), 3), c["metadata"].get("title"))
            for c in container.chapters()
        ]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a"])
def test_the_chapters_of_a_book_are_kept(folder, model, command, suffix):
    meta = folder / "chapters.txt"
    meta.write_text(
        ";FFMETADATA1\ntitle=Book\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=Eins\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=400\ntitle=Zwei\n"
    )
    path = folder / "book.m4b"
    ffmpeg("-i", folder / "song.wav", "-i", meta, "-map_metadata", 1, "-f", "mp4", path)
    done = command(
        "separate", path, "--stems", "beat", "--format", suffix[1:], "--overwrite", "--model", model
    )
    assert (done.code, done.stderr) == (0, "")
    assert chapters(folder / f"book.beat{suffix}") == [(0.0, "Eins"), (0.2, "Zwei")]


def test_what_is_a_video_is_told_by_its_streams(folder):
    picture = make(folder, "really.m4a", "libx264", "mp4", "-f", "mp4")
    assert video_suffix(picture) == ".mkv"
    ffmpeg("-i", folder / "song.wav", "-c:a", "aac", folder / "sound.mp4")
    assert video_suffix(folder / "sound.mp4") is None
    assert video_suffix(folder / "text.srt") is None
    assert video_suffix(folder / "nothing.mkv") is None
