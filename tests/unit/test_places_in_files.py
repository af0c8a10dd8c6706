"""From a place in a file on, the samples are those of a whole run: in any format, to the bit."""

import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.exact_seek import decoder_from
from streamsep.audio.files.file_source import FileSource
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg

RATE, SECONDS = 44_100, 6.0
# Suffix, sample type, and whether a place in it is gone to without decoding what is before.
FORMS = {
    "wav16": ("wav", "PCM_16", True),
    "wav24": ("wav", "PCM_24", True),
    "wav8": ("wav", "PCM_U8", True),
    "float": ("wav", "FLOAT", True),
    "flac16": ("flac", "PCM_16", True),
    "flac24": ("flac", "PCM_24", True),
    "ogg": ("ogg", "VORBIS", False),
    "mp3": ("mp3", "MPEG_LAYER_III", False),
}


def write(path, subtype, *, rate=RATE, channels=2):
    sound = music(SECONDS, sample_rate=rate, channels=channels).T
    with sf.SoundFile(path, "w", rate, channels, subtype) as file:
        for start in range(0, len(sound), 65_536):  # of more libsndfile's Vorbis encoder crashes
            file.write(sound[start : start + 65_536])
    return path


def read(path, begin_at=0):
    """The samples from there to the end, and where that is."""
    source = FileSource(path, sample_rate=RATE, channels=2, begin_at=begin_at)
    parts = [np.zeros((0, 2), np.float32)]
    source.start()
    while not source.finished:
        source.wait_for(4_096, threading.Event())
        out = np.zeros((4_096, 2), np.float32)
        parts.append(out[: source.take(out)])
    source.close()
    assert source.fault is None
    return np.concatenate(parts), source.begins_at


def check(path, begin_at, atol=0.0):
    whole, _ = read(path)
    heard, begins = read(path, begin_at)
    assert begin_at - RATE < begins <= begin_at
    np.testing.assert_allclose(heard, whole[begins:], rtol=0, atol=atol)


@pytest.mark.parametrize("form", one_fast(FORMS))
def test_in_every_format(tmp_path, form):
    suffix, subtype, exact = FORMS[form]
    path = write(tmp_path / f"song.{suffix}", subtype)
    found = decoder_from(path, 3.0)
    assert (found is not None) == exact
    check(path, 200_001)


@pytest.mark.parametrize("rate", [48_000, 22_050, 44_056])
def test_at_other_rates_and_in_mono(tmp_path, rate):
    """A resampler that has run in differs from one that ran all the time by rounding alone."""
    check(write(tmp_path / "song.flac", "PCM_16", rate=rate, channels=1), 200_001, atol=1e-6)


@pytest.mark.slow
def test_in_what_only_ffmpeg_reads(tmp_path):
    ffmpeg("-i", write(tmp_path / "song.wav", "PCM_16"), tmp_path / "song.m4a")
    check(tmp_path / "song.m4a", 150_000)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_in_a_file_that_is_two(tmp_path, suffix):
    """A place in the first one would end with it."""
    one = write(tmp_path / f"one.{suffix}", "PCM_16").read_bytes()
    path = tmp_path / f"two.{suffix}"
    path.write_bytes(one + one)
    assert decoder_from(path, 3.0) is None
    check(path, 200_001)
    assert len(read(path, 200_001)[0]) > SECONDS * RATE


def test_in_a_file_whose_writer_was_killed(tmp_path):
    path = write(tmp_path / "song.wav", "PCM_16")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = (50_000).to_bytes(4, "little")
    path.write_bytes(content)
    assert decoder_from(path, 3.0) is None
    check(path, 200_001)


def test_beyond_its_end_there_is_nothing(tmp_path):
    path = write(tmp_path / "song.flac", "PCM_16")
    assert decoder_from(path, 60.0) is None
    assert not len(read(path, 60 * RATE)[0])
