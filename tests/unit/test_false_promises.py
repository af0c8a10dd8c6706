"""Headers that tell no length, or another one than it seems: nothing is said to be missing."""

import subprocess

import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from streamsep.errors import AudioFileError
from tests.support.cases import one_of_many

RATE, SECONDS = 44_100, 1.0
SOUND = ("-f", "lavfi", "-i", f"sine=f=330:r={RATE}:d={SECONDS}")
PICTURE = ("-f", "lavfi", "-i", "testsrc=d=3:s=64x64:r=25")


def written(*arguments):
    command = ["ffmpeg", "-v", "error", *map(str, arguments), "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def read(path):
    with AudioReader(path) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    assert reader.notices.all == []
    return sound.shape[-1] / RATE


@pytest.mark.parametrize(
    ("form", "codec"),
    one_of_many(
        [
            ("avi", "libmp3lame"),
            *(("avi", codec) for codec in ("pcm_s16le", "ac3")),
            *(
                ("wav", "pcm_s16le"),
                ("au", "pcm_s16be"),
                ("aiff", "pcm_s16be"),
                ("w64", "pcm_s16le"),
            ),
            *(("caf", "pcm_s16le"), ("matroska", "flac"), ("flv", "aac"), ("asf", "wmav2")),
            *(("flac", "flac"), ("tta", "tta"), ("wv", "wavpack"), ("nut", "flac")),
        ],
        4,
    ),
)
def test_what_was_written_without_going_back(tmp_path, form, codec):
    """As streaming programs do; FFmpeg's AVI says then that it lasts for hours."""
    path = tmp_path / f"song.{form}"
    path.write_bytes(written(*SOUND, "-c:a", codec, "-f", form))
    # A frame of up to 2,048 samples more, or less where the last one isn't whole.
    assert SECONDS - 0.05 < read(path) < SECONDS + 0.1


@pytest.mark.parametrize("suffix", one_of_many(["mkv", "mp4", "mov", "ts", "vob"]))
def test_sound_that_begins_after_the_picture(tmp_path, suffix):
    """Matroska tells when it ends, by the time of the picture."""
    path = tmp_path / f"late.{suffix}"
    late = ("-itsoffset", 1.5, *SOUND, "-c:v", "mpeg2video", "-c:a", "ac3")
    subprocess.run(["ffmpeg", "-v", "error", *map(str, (*PICTURE, *late)), path], check=True)
    assert SECONDS - 0.05 < read(path) < SECONDS + 0.1


def test_sound_that_cant_be_decoded_isn_t_called_none(tmp_path):
    """Frames of which each one is damaged, in a format that tells no length."""
    content = bytearray(written(*SOUND, "-c:a", "ac3", "-f", "ac3"))
    at = 0
    while (at := content.find(b"\x0b\x77", at)) >= 0:
        content[at + 40 : at + 80] = bytes(40)
        at += 100
    (tmp_path / "song.ac3").write_bytes(content)
    with pytest.raises(AudioFileError, match="can be decoded"):
        AudioReader(tmp_path / "song.ac3")
