"""Packets that hold no sound, and time stamps that are none: nothing is lost, nothing is said."""

import av
import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from testing.signals import music

RATE, SECONDS = 44_100, 1.0
FRAMES_S = 0.06  # a frame of 1,536 samples, and a decoder's delay
# Container, codec, rate and layout. FLV, as streams have it, puts a header in a packet of no
# bytes before the sound, NUT one after it; the stamps of such codecs in AVI count bytes as packets;
# Wave64 is filled up to eight bytes.
FORMS = [
    *(("flv", codec, RATE, "stereo") for codec in ("ac3", "eac3", "flac")),
    ("flv", "libopus", 48_000, "stereo"),
    *(("nut", codec, RATE, "stereo") for codec in ("flac", "ac3")),
    *(("avi", codec, RATE, "stereo") for codec in ("ac3", "eac3", "mp2", "libmp3lame", "aac")),
    *(("avi", codec, 16_000, "mono") for codec in ("g722", "pcm_s16le")),
    *(("w64", codec, RATE, "stereo") for codec in ("mp2", "adpcm_swf", "adpcm_ms", "ac3")),
]


def write(path, form, codec, rate, layout):
    sound = music(SECONDS, sample_rate=rate)[: 1 if layout == "mono" else 2]
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        for each in (frame, None):
            container.mux(stream.encode(each))
    return sound


@pytest.mark.parametrize(("form", "codec", "rate", "layout"), FORMS)
def test_all_of_it_is_read_and_nothing_said(tmp_path, form, codec, rate, layout):
    path = tmp_path / f"song.{form}"
    sound = write(path, form, codec, rate, layout)
    with AudioReader(path) as reader:
        back = np.concatenate(list(reader.chunks()), axis=-1)
        assert reader.notices.all == []
    assert SECONDS - 0.005 <= back.shape[-1] / rate <= SECONDS + FRAMES_S
    # As loud as it was, in each tenth: no silence has come in between. (Codecs differ by 2 dB.)
    assert np.std(back) == pytest.approx(np.std(sound), rel=0.25)
