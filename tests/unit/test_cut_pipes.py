"""Pipes that end before their file says so, and files that can't be read without going back."""

import os
import threading

import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

RATE, SECONDS = 44_100, 2.0
# That say their length before the sound.
PROMISING = {
    "wav": [],
    "w64": [],
    "caf": [],
    "aiff": [],
    "flac": [],
    "f32.wav": ["-c:a", "pcm_f32le"],
    "ms.wav": ["-c:a", "adpcm_ms"],
}
# That say where things are only behind them, or can't be read by halves.
OTHERS = {"alac.caf": ["-c:a", "alac"], "mov": ["-c:a", "pcm_s16le"], "m4a": [], "tta": []}
FORMS = PROMISING | OTHERS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipes")

    def made(form):
        path = folder / f"song.{form}"
        if not path.exists():
            source = ("-f", "lavfi", "-i", f"sine=f=300:r={RATE}:d={SECONDS}", "-ac", 2)
            outputs = [part for each in FORMS for part in (*FORMS[each], folder / f"song.{each}")]
            ffmpeg(*source, *outputs)
        return path.read_bytes()

    return made


@pytest.fixture
def read(tmp_path):
    """What comes out of a FIFO that some bytes are written to, and what is said."""

    def read(content):
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(content,))
        writer.start()
        with AudioReader(fifo) as reader:
            sound = np.concatenate(list(reader.chunks()), axis=-1)
        writer.join()
        return sound, reader.notices.all

    return read


@pytest.mark.parametrize("form", one_of_many(FORMS, 1))
def test_a_whole_one_is_read_and_nothing_said(made, read, form):
    sound, notices = read(made(form))
    assert SECONDS <= sound.shape[-1] / RATE <= SECONDS + 0.05
    assert notices == []


@pytest.mark.parametrize("form", one_of_many(PROMISING, 1))
def test_one_that_ends_in_the_middle_is_read_so_far_and_said(made, read, form):
    content = made(form)
    sound, notices = read(content[: len(content) // 2])
    assert 0.3 * SECONDS < sound.shape[-1] / RATE < 0.75 * SECONDS  # by whole frames
    assert [notice.lost for notice in notices] == [True]
    assert "its header says 2.0" in notices[0].text


@pytest.mark.parametrize("size", one_of_many([2**31 - 1, 2**31 - 4096, 2**32 - 1, 0], 1))
def test_a_size_that_only_stands_for_an_unknown_one_is_none(made, read, size):
    """As programs write that can't go back to their header: recorders, sox."""
    content = bytearray(made("wav"))
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    sound, notices = read(bytes(content))
    assert (sound.shape[-1], notices) == (round(SECONDS * RATE), [])


def test_packed_caf_is_read_by_a_copy(made, read):
    """Its packets' sizes follow the sound."""
    content = made("alac.caf")
    assert content.index(b"pakt") > content.index(b"data")
    sound, notices = read(content)
    assert (sound.shape[-1], notices) == (round(SECONDS * RATE), [])
