"""Files joined to one another in formats that have neither end nor number for it."""

import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg

RATE, PIECE_S = 44_100, 0.6
FORMS = {
    "flv": ["-c:a", "libmp3lame"],
    "wma": [],
    "voc": [],
    "nut": ["-c:a", "pcm_s16le"],
}


def tone(path, hertz, *options):
    source = ("-f", "lavfi", "-i", f"sine=f={hertz}:r={RATE}:d={PIECE_S}", "-ac", 2)
    ffmpeg(*source, *options, path)
    return path.read_bytes()


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1)[0], reader.notices.all


def loudest_hertz(sound):
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return np.argmax(spectrum) * RATE / len(sound)


def check(path, tones):
    """Each tone is there, in its place, and nothing else."""
    sound, notices = read(path)
    seconds = len(sound) / RATE
    # A frame of 2,048 samples more or less each.
    assert len(tones) * (PIECE_S - 0.05) <= seconds <= len(tones) * (PIECE_S + 0.07)
    for number, hertz in enumerate(tones):
        middle = int((number + 0.5) * len(sound) / len(tones))
        piece = sound[middle - RATE // 10 : middle + RATE // 10]
        assert loudest_hertz(piece) == pytest.approx(hertz, abs=12)
        assert np.std(piece) < 0.2  # and no header that is taken for sound
    assert np.abs(sound).max() < 0.3
    assert not any(notice.lost for notice in notices)
    return [notice.text for notice in notices]


@pytest.mark.parametrize("form", one_fast(FORMS))
def test_all_of_them_are_read(tmp_path, form):
    parts = [tone(tmp_path / f"{hz}.{form}", hz, *FORMS[form]) for hz in (300, 600, 900)]
    path = tmp_path / f"joined.{form}"
    path.write_bytes(b"".join(parts))
    assert check(path, [300, 600, 900]).count("another file begins in it, and goes on in its place")


@pytest.mark.parametrize("codec", one_fast(["aac", "mp2", "ac3"]))
def test_streams_whose_tracks_have_other_numbers_in_each_part(tmp_path, codec):
    """As those of two encoders: to a demultiplexer they are tracks, one beside the other."""
    parts = [
        tone(tmp_path / f"{hz}.ts", hz, "-c:a", codec, "-mpegts_start_pid", number)
        for hz, number in ((300, 0x100), (600, 0x200), (900, 0x300))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    texts = check(path, [300, 600, 900])
    assert any("goes on in its place" in text for text in texts)


def test_tracks_that_are_there_all_the_time_are_no_parts(tmp_path):
    for hertz in (300, 600):
        tone(tmp_path / f"{hertz}.wav", hertz)
    both = ("-i", tmp_path / "300.wav", "-i", tmp_path / "600.wav", "-map", 0, "-map", 1)
    ffmpeg(*both, "-c:a", "mp2", tmp_path / "both.ts")
    (text,) = check(tmp_path / "both.ts", [300])
    assert text.startswith("2 tracks of sound are in it")
