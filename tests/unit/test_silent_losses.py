"""Damage that a decoder steps over without an error: what is missing is said all the same."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

RATE, SECONDS = 44_100, 3.0
FORMS = {
    "ogg": [],
    "opus": [],
    "flac.ogg": ["-c:a", "flac"],
    "mpg": [],
    "avi": ["-c:a", "libmp3lame"],
    "mka": ["-c:a", "flac"],
    "flv": ["-c:a", "libmp3lame"],
    "ms.wav": ["-c:a", "adpcm_ms"],
    "w64": [],
}


def noise(content, start, size):
    content[start : start + size] = np.random.default_rng(0).bytes(size)


def zeros(content, start, size):
    content[start : start + size] = bytes(size)


def gone(content, start, size):
    del content[start : start + size]


# Where it is, in shares of the file, and how many bytes.
DAMAGE = [
    ("ogg", noise, 0.98, 300),  # within the last page
    ("mpg", zeros, 0.5, None),  # all from there on
    ("opus", noise, 0.02, 200),  # within the first page of sound
    ("flac.ogg", zeros, 0.5, None),
    ("avi", gone, 0.4, 4_000),
    ("mka", zeros, 0.95, None),
    ("flv", zeros, 0.95, None),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("losses")
    sf.write(folder / "song.wav", music(SECONDS).T, RATE)
    outputs = [part for form in FORMS for part in (*FORMS[form], folder / f"song.{form}")]
    ffmpeg("-i", folder / "song.wav", *outputs)
    return folder


def read(path):
    with AudioReader(path) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    return sound.shape[-1] / reader.sample_rate, reader.notices.all


@pytest.mark.parametrize(("form", "change", "share", "size"), one_of_many(DAMAGE, 2))
def test_it_is_a_line(folder, form, change, share, size):
    content = bytearray((folder / f"song.{form}").read_bytes())
    whole, notices = read(folder / f"song.{form}")
    assert notices == []
    start = round(share * len(content))
    change(content, start, len(content) - start if size is None else size)
    path = folder / f"damaged.{form}"
    path.write_bytes(content)
    seconds, notices = read(path)
    assert seconds < whole - 0.05
    assert any(notice.lost for notice in notices)


@pytest.mark.parametrize("form", one_of_many(["ms.wav", "w64"]))
@pytest.mark.parametrize("share", one_of_many([0.5, 0.25]))
def test_what_a_header_keeps_silent_of_is_read(folder, form, share):
    """As of recordings whose program was killed; of codecs in blocks, too."""
    content = bytearray((folder / f"song.{form}").read_bytes())
    whole, _ = read(folder / f"song.{form}")
    place = content.index(b"data") + (16 if form == "w64" else 4)
    block = 1_024  # of both
    said = round(share * len(content)) // block * block
    content[place : place + 4] = said.to_bytes(4, "little")
    (folder / f"less.{form}").write_bytes(content)
    seconds, notices = read(folder / f"less.{form}")
    assert seconds == pytest.approx(whole, abs=0.05)  # a block more or less at the end
    assert not any(notice.lost for notice in notices)
