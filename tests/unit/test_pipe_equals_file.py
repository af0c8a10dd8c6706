"""What comes through a pipe is, to the sample, what the file of that name gives."""

import os
import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

RATE = 44_100
SECONDS = (0.02, 0.5, 1.1)  # all on one page of Ogg, to half a block and less, and on several
SUFFIXES = ("ogg", "mp3", "opus", "flac", "m4a", "mka", "aac", "wv", "tta", "aiff", "ts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for seconds in SECONDS:
        sf.write(folder / f"{seconds}.wav", music(seconds).T, RATE)
        outputs = [folder / f"{seconds}.{suffix}" for suffix in SUFFIXES]
        ffmpeg("-i", folder / f"{seconds}.wav", *outputs)
        sf.write(folder / f"{seconds}.sf.ogg", music(seconds).T, RATE)  # libvorbis alone
    return folder


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1)


@pytest.fixture
def check(tmp_path):
    def check(content, suffix, samples=None):
        path, fifo = tmp_path / f"song.{suffix}", tmp_path / "fifo"
        path.write_bytes(content)
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(content,))
        writer.start()
        piped, named = read(fifo), read(path)
        writer.join()
        # Two decoders of Vorbis round otherwise.
        np.testing.assert_allclose(piped, named, atol=1e-6 if suffix == "ogg" else 0)
        assert samples is None or piped.shape[-1] == samples

    return check


@pytest.mark.parametrize("suffix", one_of_many(SUFFIXES, 4))
@pytest.mark.parametrize("seconds", SECONDS)
def test_one_file(folder, check, suffix, seconds):
    exact = round(seconds * RATE) if suffix in ("ogg", "mp3", "flac") else None
    check((folder / f"{seconds}.{suffix}").read_bytes(), suffix, exact)


@pytest.mark.parametrize("seconds", SECONDS)
def test_vorbis_by_its_own_library(folder, check, seconds):
    check((folder / f"{seconds}.sf.ogg").read_bytes(), "ogg", round(seconds * RATE))


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
@pytest.mark.parametrize(
    "joined", one_of_many([((1.1, 0.5, 1.1),), ((0.5, 1.1, 0.02),), ((1.1, 1.1),)], 2), ids=str
)
def test_joined_files_are_each_as_long_as_they_are(folder, check, suffix, joined):
    """As radio has them, without what encoders add between them."""
    content = b"".join((folder / f"{each}.{suffix}").read_bytes() for each in joined)
    check(content, suffix, sum(round(each * RATE) for each in joined))


def test_behind_a_large_tag(folder, check):
    """What an MP3 says of its length is behind the picture that it has."""
    content = (folder / "1.1.mp3").read_bytes()
    size = 300_000
    head = b"ID3\4\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    check(head + bytes(size) + content, "mp3", round(1.1 * RATE))
