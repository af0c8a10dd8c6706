"""Damage in formats that count their samples: what is behind it is where it was, to the sample."""

import os
import threading
from contextlib import suppress

import av
import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.wavpack_blocks import next_block
from testing.signals import music
from tests.support.cases import one_of_many

RATE, SECONDS, BLOCK_S = 44_100, 4.0, 0.5  # FFmpeg's blocks of WavPack
LAYOUTS = {"stereo": 2, "mono": 1, "5.1": 6}  # the last one by several blocks, one beside the other


def write(path, codec, layout="stereo"):
    sound = music(SECONDS, channels=LAYOUTS[layout])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", layout)
        frame.sample_rate, frame.pts = RATE, 0
        if codec == "flac":
            ints = np.rint(sound.T * 32_767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(ints, "s16", layout)
            frame.sample_rate, frame.pts = RATE, 0
        for each in (frame, None):
            container.mux(stream.encode(each))
    return path.read_bytes()


def read(path):
    with AudioReader(path, keep_layout=True) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    return sound, [notice for notice in reader.notices.all if "are kept" not in notice.text]


@pytest.fixture
def damaged(tmp_path):
    """What comes out of a file with these bytes, and of a whole one."""

    def damaged(content, whole, suffix=".wv"):
        paths = [tmp_path / f"{name}{suffix}" for name in ("damaged", "whole")]
        for path, each in zip(paths, (content, whole), strict=True):
            path.write_bytes(each)
        return read(paths[0]), read(paths[1])[0]

    return damaged


def in_place(sound, whole, most_lost_s):
    """Whether all is where it was but for silence, of at most so many seconds."""
    other = np.flatnonzero(np.any(sound != whole, axis=0))
    silent = not sound[:, other].any()
    return sound.shape == whole.shape and silent and 0 < len(other) <= most_lost_s * RATE


def hole(content, start, size=9_000):
    return content[:start] + bytes(size) + content[start + size :]


def gone(content, start, size=9_000):
    return content[:start] + content[start + size :]


def more(content, start, size=400_000):
    return content[:start] + np.random.default_rng(0).bytes(size) + content[start:]


@pytest.mark.parametrize("layout", one_of_many(LAYOUTS))
@pytest.mark.parametrize("damage", [hole, gone, more])
def test_wavpack_goes_on_at_the_next_block(tmp_path, damaged, damage, layout):
    content = write(tmp_path / "song.wv", "wavpack", layout)
    (sound, notices), whole = damaged(damage(content, len(content) // 2), content)
    assert in_place(sound, whole, 2 * BLOCK_S)
    assert [notice.lost for notice in notices] == [True]


@pytest.mark.parametrize("place", one_of_many([0, 2, 4, 6, 18, 19, 24], 7))
def test_a_flipped_bit_in_the_head_of_a_block_costs_that_block_at_most(tmp_path, damaged, place):
    """Its letters, its size, its number and what it says of the sound; no checksum is over it."""
    content = bytearray(write(tmp_path / "song.wv", "wavpack"))
    (tmp_path / "song.wv").write_bytes(content)
    whole = bytes(content)
    content[next_block(tmp_path / "song.wv", len(content) // 2) + place] ^= 0x80
    (sound, notices), whole = damaged(content, whole)
    assert sound.shape == whole.shape
    other = np.flatnonzero(np.any(sound != whole, axis=0))
    assert len(other) <= BLOCK_S * RATE
    assert any(notice.lost for notice in notices) == bool(len(other))


@pytest.mark.parametrize(("suffix", "codec"), [(".wv", "wavpack"), (".flac", "flac")])
def test_damage_at_the_very_beginning_shifts_nothing(tmp_path, damaged, suffix, codec):
    content = write(tmp_path / f"song{suffix}", codec)
    start = 9_000 if codec == "flac" else 1_000  # behind FLAC's padding
    (sound, notices), whole = damaged(hole(content, start), content, suffix)
    assert in_place(sound, whole, 2 * BLOCK_S)
    assert [notice.lost for notice in notices] == [True]


def test_two_files_joined_are_two_although_the_first_one_is_damaged(tmp_path, damaged):
    content = write(tmp_path / "song.wv", "wavpack")
    first = hole(content, len(content) - 9_000)
    (sound, notices), whole = damaged(first + content, content + content)
    assert in_place(sound, whole, BLOCK_S)
    assert [notice.lost for notice in notices] == [True, False]


def test_through_a_pipe_what_is_behind_damage_is_a_line(tmp_path):
    """Which can't be gone to."""
    content = write(tmp_path / "song.wv", "wavpack")
    os.mkfifo(tmp_path / "fifo")

    def give():
        with suppress(BrokenPipeError):  # nobody reads to the end of what is no sound
            (tmp_path / "fifo").write_bytes(more(content, len(content) // 2))

    writer = threading.Thread(target=give)
    writer.start()
    sound, notices = read(tmp_path / "fifo")
    writer.join()
    assert sound.shape[-1] < SECONDS * RATE
    assert any(notice.lost for notice in notices)
