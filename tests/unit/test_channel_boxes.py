"""QuickTime and CAF files with their channels in any order, as Apple's programs write them."""

import os
import struct
import threading

import av
import numpy as np
import pytest

from streamsep.audio.files.channel_boxes import SPEAKERS, TAGS, channel_boxes
from streamsep.audio.files.sound_file import AudioReader
from streamsep.dsp.channels import STEREO_GAINS, USUAL_SPEAKERS

RATE, PIECE = 44_100, 1_000
LEVEL = 8_192  # of 32,768
MANY = {tag: speakers for tag, speakers in TAGS.items() if len(speakers.split()) > 2}


def one_by_one(count):
    """Return (N, C) of 16 bits: a level in each channel after the other."""
    sound = np.zeros((count * PIECE, count), np.int16)
    for index in range(count):
        sound[index * PIECE : (index + 1) * PIECE, index] = LEVEL
    return sound


def box(tag, bits=0, labels=()):
    descriptions = b"".join(struct.pack(">2I3f", label, 0, 0, 0, 0) for label in labels)
    return struct.pack(">3I", tag, bits, len(labels)) + descriptions


def caf(path, count, content):
    sound = one_by_one(count).astype(">i2").tobytes()
    desc = struct.pack(">d4sIIIII", RATE, b"lpcm", 0, 2 * count, 1, count, 16)
    chunks = [(b"desc", desc), (b"chan", content), (b"data", bytes(4) + sound)]
    data = b"".join(kind + struct.pack(">q", len(each)) + each for kind, each in chunks)
    path.write_bytes(b"caff\0\1\0\0" + data)
    return path


def mov(path, count, tag, index="last"):
    layout = av.AudioLayout("+".join(USUAL_SPEAKERS[count]))
    options = {"movflags": "faststart"} if index == "first" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(one_by_one(count).reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.pts = RATE, 0
        for each in (frame, None):
            container.mux(stream.encode(each))
    data = path.read_bytes()
    at = data.index(b"chan\0\0\0\0") + 8
    path.write_bytes(data[:at] + box(tag) + data[at + 12 :])
    return path


def check(path, speakers):
    with AudioReader(path) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
        (notice,) = reader.notices.all
    assert f"({' '.join(speakers)})" in notice.text
    for index, name in enumerate(speakers):
        heard = sound[:, index * PIECE + PIECE // 2] * 32_768 / LEVEL
        assert heard == pytest.approx(STEREO_GAINS[name], abs=1e-4), name


@pytest.mark.parametrize("tag", MANY)
def test_the_order_of_every_tag_is_known(tmp_path, tag):
    speakers = TAGS[tag].split()
    check(caf(tmp_path / "song.caf", len(speakers), box(tag << 16 | len(speakers))), speakers)


@pytest.mark.parametrize("tag", [122, 123, 124, 125, 127, 139, 141])
def test_in_quicktime_too_where_ffmpeg_would_abort_the_program(tmp_path, tag):
    speakers = TAGS[tag].split()
    check(mov(tmp_path / "song.mov", len(speakers), tag << 16 | len(speakers)), speakers)


@pytest.mark.parametrize("bits", [0x3F, 0x107, 0x137, 0x707, 0x60F])
def test_bits_are_speakers_in_their_order(tmp_path, bits):
    speakers = [name for bit, name in enumerate(SPEAKERS) if bits >> bit & 1]
    check(caf(tmp_path / "song.caf", len(speakers), box(0x10000, bits)), speakers)


def test_descriptions_are_speakers_in_any_order(tmp_path):
    check(
        caf(tmp_path / "song.caf", 5, box(0, labels=[3, 1, 2, 37, 9])),
        ["FC", "FL", "FR", "LFE2", "BC"],
    )


@pytest.mark.parametrize(
    ("content", "speakers"),
    [
        (box(999 << 16 | 6), USUAL_SPEAKERS[6]),  # a tag that nobody knows
        (box(124 << 16 | 6)[:8], USUAL_SPEAKERS[6]),  # cut off
        (box(113 << 16 | 3), USUAL_SPEAKERS[6]),  # of another number
        (box(0, labels=[1] * 2), USUAL_SPEAKERS[6]),
    ],
)
def test_what_says_nothing_of_use_is_as_if_it_weren_t_there(tmp_path, content, speakers):
    check(caf(tmp_path / "song.caf", 6, content), list(speakers))


def test_each_of_joined_files_has_boxes_of_its_own(tmp_path):
    parts = [caf(tmp_path / f"{tag}.caf", 6, box(tag << 16 | 6)).read_bytes() for tag in (121, 124)]
    (tmp_path / "both.caf").write_bytes(b"".join(parts))
    found = channel_boxes(tmp_path / "both.caf")
    assert [" ".join(each.speakers) for each in found] == [TAGS[121], TAGS[124]]
    assert found[1].place > len(parts[0])
    with AudioReader(tmp_path / "both.caf") as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    assert sound.shape[-1] == 12 * PIECE
    for part, tag in enumerate((121, 124)):
        for index, name in enumerate(TAGS[tag].split()):
            heard = sound[:, (6 * part + index) * PIECE + PIECE // 2] * 32_768 / LEVEL
            assert heard == pytest.approx(STEREO_GAINS[name], abs=1e-4), (tag, name)


def through_pipe(path):
    """The path of a FIFO that a file is written to."""
    fifo = path.with_name(f"fifo{path.suffix}")
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=(path.read_bytes(),)).start()
    return fifo


@pytest.mark.parametrize("tag", [114, 124])
def test_through_a_pipe_caf_is_read_as_it_comes(tmp_path, tag):
    speakers = TAGS[tag].split()
    song = caf(tmp_path / "song.caf", len(speakers), box(tag << 16 | len(speakers)))
    check(through_pipe(song), speakers)


@pytest.mark.parametrize("index", ["first", "last"])
def test_through_a_pipe_quicktime_is_read_wherever_its_index_is(tmp_path, index):
    """By a copy, if it comes last; FFmpeg would abort the program here, too."""
    speakers = TAGS[124].split()
    song = mov(tmp_path / "song.mov", len(speakers), 124 << 16 | len(speakers), index=index)
    assert (song.read_bytes().index(b"moov") < 99) == (index == "first")
    check(through_pipe(song), speakers)


@pytest.mark.parametrize("name", ["song.wav", "song.mov", "song.caf"])
@pytest.mark.parametrize(
    "content", [b"", b"caff", b"\0\0\0\x10ftypqt  ", b"\0\0\0\1moov", b"x" * 99]
)
def test_in_other_files_there_are_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert channel_boxes(tmp_path / name) == []
