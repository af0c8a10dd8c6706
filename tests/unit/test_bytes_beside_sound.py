"""Files with something else in front of their sound or behind it: left out, and a line.

Tags and padding are none; what may be damaged sound is a loss.
"""

import re
import struct

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from streamsep.errors import AudioFileError
from testing.signals import music
from tests.support.commands import ffmpeg

RATE, SECONDS = 44_100, 1.0
FORMS = {
    "mp3": [],
    "bare.mp3": ["-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0"],
    "aac": [],
    "ac3": [],
    "eac3": [],
    "mp2": [],
    "flac": [],
    "ogg": [],
    "opus": [],
    "wav": [],
    "w64": [],
    "au": [],
    "wv": [],
    "m4a": [],
    "mka": [],
    "ts": ["-c:a", "ac3"],
    "m2ts": ["-c:a", "ac3"],
    "mpg": [],
    "vob": ["-c:a", "ac3"],
    "nut": ["-c:a", "libmp3lame"],
    "aiff": [],
    "caf": [],
}
# In packets of others' sizes, and nothing to be found by.
PACKETS = ("ts", "m2ts", "mpg", "vob", "nut")
# Whose length nothing tells, or not so that decoders go by it.
BEHIND = (
    *("mp3", "bare.mp3", "aac", "ac3", "eac3", "mp2", "ogg", "opus", "wav", "w64", "au", "aiff"),
    "caf",
)
TEXT = b"<html>404: not found</html>\n" * 400
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + np.random.default_rng(1).bytes(9_000)
NOISE = np.random.default_rng(0).bytes(9_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beside")
    sf.write(folder / "song.wav", music(SECONDS).T, RATE)
    outputs = [
        part for form in FORMS if form != "wav" for part in (*FORMS[form], folder / f"song.{form}")
    ]
    ffmpeg("-i", folder / "song.wav", *outputs)
    return folder


@pytest.fixture
def read(folder, tmp_path):
    """What comes out of a form of the song with bytes before and behind it, and what is said."""

    def read(form, front=b"", behind=b""):
        path = tmp_path / f"song.{form}"
        path.write_bytes(front + (folder / f"song.{form}").read_bytes() + behind)
        with AudioReader(path) as reader:
            sound = np.concatenate(list(reader.chunks()), axis=-1)
        return sound, [(notice.text, notice.lost) for notice in reader.notices.all]

    return read


@pytest.mark.parametrize("form", BEHIND)
@pytest.mark.parametrize("other", [TEXT, b"a few"])
def test_what_is_behind_is_no_sound(read, form, other):
    whole, nothing = read(form)
    sound, said = read(form, behind=other)
    assert nothing == []
    np.testing.assert_array_equal(sound, whole)
    assert said == [(f"{len(other)} bytes at its end are no sound, and left out", False)]


@pytest.mark.parametrize("form", [form for form in FORMS if form not in PACKETS])
@pytest.mark.parametrize("other", [TEXT, b"a few"])
def test_what_is_in_front_is_no_sound(read, form, other):
    whole, _ = read(form)
    sound, said = read(form, front=other)
    # Of Vorbis two decoders have it, which round otherwise.
    np.testing.assert_allclose(sound, whole, atol=1e-6 if form == "ogg" else 0)
    assert said == [(f"{len(other)} bytes at its beginning are no sound, and left out", False)]


@pytest.mark.parametrize("form", ["bare.mp3", "aac", "ac3"])
@pytest.mark.parametrize(
    ("other", "lost"), [(JPEG, False), (NOISE, True), (bytes(100_000), True), (b"\xff" * 999, True)]
)
def test_what_may_have_been_sound_is_lost(read, form, other, lost):
    """Zeros are what is left of a download that ended; of few bytes they fill up."""
    whole, _ = read(form)
    for where, sides in (("beginning", {"front": other}), ("end", {"behind": other})):
        sound, said = read(form, **sides)
        np.testing.assert_array_equal(sound, whole)
        assert said == [(f"{len(other)} bytes at its {where} are no sound, and left out", lost)]


@pytest.mark.parametrize("other", [TEXT, b"a few", JPEG, NOISE])
def test_behind_flac(read, other):
    whole, _ = read("flac")
    sound, said = read("flac", behind=other)
    np.testing.assert_array_equal(sound, whole)
    assert said == [("what follows its last frame is no sound, and left out", False)]
    assert read("flac", behind=bytes(4_096))[1] == []
    assert read("flac", behind=ID3V1)[1] == []


def ape(*, header=True):
    items = b"".join(struct.pack("<II", 5, 0) + b"key%d\0value" % number for number in range(3))
    sides = [
        b"APETAGEX" + struct.pack("<4I8x", 2000, len(items) + 32, 3, flags)
        for flags in (0xA0000000, header << 31)
    ]
    return (sides[0] if header else b"") + items + sides[1]


ID3V1 = b"TAG" + b"title".ljust(125, b"\0")
LYRICS = b"LYRICSBEGININD0000200LYR00005hello"
TAGS = {
    "ID3v1": ID3V1,
    "its longer form": b"TAG+" + bytes(223) + ID3V1,
    "APE": ape(),
    "APE without a header": ape(header=False),
    "APE and ID3v1": ape() + ID3V1,
    "lyrics": LYRICS + b"%06dLYRICS200" % len(LYRICS) + ID3V1,
    "old lyrics": b"LYRICSBEGINla laLYRICSEND" + ID3V1,
    "ID3v2": b"ID3\4\0\x10\0\0\0\x10" + bytes(16) + b"3DI\4\0\x10\0\0\0\x10",
    "zeros": bytes(4_096),
    "zeros before": bytes(4_096) + ID3V1,
    "zeros behind": ID3V1 + bytes(512),
    "zeros behind APE": ape() + bytes(2_000),
}


@pytest.mark.parametrize("form", ["mp3", "bare.mp3"])
@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_tags_and_padding_are_no_line(read, form, tags):
    whole, _ = read(form)
    sound, said = read(form, behind=tags)
    np.testing.assert_array_equal(sound, whole)
    assert said == []


def test_tags_behind_padding_are_kept(folder, tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes((folder / "song.bare.mp3").read_bytes() + bytes(4_096) + ID3V1)
    with AudioReader(path) as reader:
        assert reader.tags["title"] == "title"


@pytest.mark.parametrize("form", ["bare.mp3", "aac", "ac3", "eac3", *PACKETS])
@pytest.mark.parametrize("tag", [b"", ID3V1])
def test_a_last_frame_that_isn_t_whole_is_lost(folder, tmp_path, form, tag):
    """As of a download that ended: nothing else tells."""
    content = (folder / f"song.{form}").read_bytes()
    tag = b"" if form in PACKETS else tag
    (tmp_path / f"cut.{form}").write_bytes(content[: len(content) // 2 + 50] + tag)
    with AudioReader(tmp_path / f"cut.{form}") as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    (notice,) = reader.notices.all
    assert notice.lost
    assert re.match(
        r"(it is cut off after|it ends after|silenced from|damaged at) 0\.[2-6]", notice.text
    )
    # Packets of a stream wait to be full: up to 0.2 s.
    near_s = 0.3 if form in PACKETS else 0.06
    assert sound.shape[-1] / RATE == pytest.approx(SECONDS / 2, abs=near_s)


@pytest.mark.parametrize("suffix", ["au", "snd", "vox"])
def test_what_only_a_name_says_to_be_sound_is_refused(tmp_path, suffix):
    """libsndfile would play any bytes as noise, at 8 kHz."""
    path = tmp_path / f"song.{suffix}"
    path.write_bytes(NOISE)
    with pytest.raises(AudioFileError):
        AudioReader(path)
