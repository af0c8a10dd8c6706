"""Files of several formats that hold one file after the other, and codecs that change within one.

What a decoder takes up wherever it finds it (MP3, ADTS) makes noise of another format's bytes, and
what ends by its header doesn't look at what follows.
"""

import os
import threading

import numpy as np
import pytest

from streamsep.audio.files.file_starts import STARTS
from streamsep.audio.files.joined_files import next_cut, next_start
from streamsep.audio.files.sound_file import AudioReader
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

RATE, PIECE_S = 44_100, 0.4
FORMS = {
    "mp3": [],
    "flac": [],
    "ogg": [],
    "wav": [],
    "aac": [],
    "m4a": [],
    "ac3": [],
    "ts": ["-c:a", "aac"],
    "mka": ["-c:a", "flac"],
    "aiff": [],
    "caf": [],
    "wv": [],
    "bare.mp3": ["-id3v2_version", "0", "-write_xing", "0"],
    "flac.ogg": ["-c:a", "flac"],
}
PAIRS = [
    ("mp3", "flac"),
    ("wav", "mp3"),
    ("flac", "mp3"),
    ("mp3", "ogg"),
    ("aac", "mp3"),
    ("mp3", "aac"),
    ("wav", "bare.mp3"),
    ("flac", "bare.mp3"),
    ("ogg", "mp3"),
    ("flac.ogg", "wav"),
    ("m4a", "wav"),
    ("mp3", "m4a"),
    ("mp3", "mka"),
    ("ac3", "mp3"),
    ("aiff", "flac"),
    ("wv", "wav"),
    ("caf", "ogg"),
    ("wav", "ts"),
    ("wav", "ac3"),
    ("mp3", "flac", "mp3"),
    ("wav", "flac", "flac", "ogg", "wav"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("joined")


@pytest.fixture(scope="module")
def tone(folder):
    """The bytes of a tone in a form, each tone by one run of ffmpeg."""

    def tone(form, hertz):
        paths = {each: folder / f"{hertz}.{each}" for each in FORMS}
        if not paths[form].exists():
            outputs = [part for each, path in paths.items() for part in (*FORMS[each], path)]
            source = f"sine=f={hertz}:r={RATE}:d={PIECE_S}"
            ffmpeg("-f", "lavfi", "-i", source, *outputs)
        return paths[form].read_bytes()

    return tone


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1)[0], reader.notices.all


def loudest_hertz(sound):
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**15))
    return np.argmax(spectrum) * RATE / 2**15


def check(sound, tones):
    """Each tone is there, in its place, and nothing else."""
    # A frame of 2,048 samples more or less each, and a second one in the delay of a decoder.
    assert len(tones) * (PIECE_S - 0.05) <= len(sound) / RATE <= len(tones) * (PIECE_S + 0.1)
    for number, hertz in enumerate(tones):
        middle = int((number + 0.5) * len(sound) / len(tones))
        piece = sound[middle - RATE // 10 : middle + RATE // 10]
        assert loudest_hertz(piece) == pytest.approx(hertz, abs=12)
    assert np.abs(sound).max() < 0.3  # and no bytes that are taken for sound


@pytest.mark.parametrize("pair", one_of_many([(pair,) for pair in PAIRS], 5), ids="+".join)
def test_all_of_them_are_read_whatever_they_are(folder, tone, pair):
    tones = [300 * (1 + number) for number in range(len(pair))]
    path = folder / f"joined.{pair[0]}"
    path.write_bytes(b"".join(tone(form, hertz) for form, hertz in zip(pair, tones, strict=True)))
    sound, notices = read(path)
    check(sound, tones)
    assert not any(notice.lost for notice in notices), notices
    texts = [notice.text for notice in notices]
    assert texts.count("another file begins in it, and goes on in its place") == len(pair) - 1


def test_what_begins_but_can_t_be_read_is_lost_with_a_line(folder, tone):
    path = folder / "half.mp3"
    path.write_bytes(tone("mp3", 300) + tone("m4a", 600)[:60])
    sound, notices = read(path)
    check(sound, [300])
    assert [notice.lost for notice in notices] == [True]


def test_what_is_beside_the_sound_of_one_file_is_no_other_file(folder, tone):
    """Tags at its end, and tags as a chunk of its own."""
    tags = b"ID3\4" + bytes(5) + b"\x40" + bytes(64)
    chunk = b"id3 " + len(tags).to_bytes(4, "little") + tags
    for form, more in (("mp3", b"TAG" + bytes(125)), ("wav", chunk), ("wav", tags)):
        path = folder / f"tagged.{form}"
        path.write_bytes(tone(form, 300) + more)
        sound, notices = read(path)
        assert (len(sound), notices) == (len(read(folder / f"300.{form}")[0]), [])


def test_noise_holds_no_beginnings(folder):
    """Nor do letters that nearly are one."""
    content = np.random.default_rng(0).bytes(2**20)
    letters = b"".join(start.letters[:-1] + b"." for start in STARTS)
    (folder / "noise").write_bytes(content + letters + bytes(99))
    assert next_start(folder / "noise", "wav", 0) is None
    assert next_cut(folder / "noise", "mp3", 0) is None


@pytest.mark.parametrize(
    "codecs", one_of_many([(["mp2", "aac"],), (["aac", "ac3", "aac"],)], 1), ids="+".join
)
def test_a_stream_whose_codec_changes(folder, codecs):
    """With one number for all of its sound: only the table in it tells."""
    parts, tones = [], [300 * (1 + number) for number in range(len(codecs))]
    for codec, hertz in zip(codecs, tones, strict=True):
        source = f"sine=f={hertz}:r={RATE}:d={PIECE_S}"
        ffmpeg("-f", "lavfi", "-i", source, "-c:a", codec, folder / "part.ts")
        parts.append((folder / "part.ts").read_bytes())
    path = folder / "changes.ts"
    path.write_bytes(b"".join(parts))
    sound, notices = read(path)
    check(sound, tones)
    assert not any(notice.lost for notice in notices), notices


def test_of_a_pipe_that_goes_on_after_the_end_the_rest_is_named(folder, tone):
    fifo = folder / "fifo.wav"
    os.mkfifo(fifo)
    content = tone("wav", 300) + tone("mp3", 600)
    writer = threading.Thread(target=fifo.write_bytes, args=(content,))
    writer.start()
    sound, notices = read(fifo)
    writer.join()
    check(sound, [300])
    assert [notice.text for notice in notices] == ["more comes after its end, and isn't read"]
    assert notices[0].lost
