"""All sound that this FFmpeg writes, by container and codec: read whole, and nothing said."""

import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from tests.support.cases import one_of_many
from tests.support.commands import ffmpeg

SECONDS = 0.6
PCM = "pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_u8 pcm_alaw pcm_mulaw"
PCM_BE = "pcm_s16be pcm_s24be pcm_s32be pcm_f32be pcm_f64be pcm_s8 pcm_alaw pcm_mulaw"
HELD = {
    "wav": f"{PCM} adpcm_ms adpcm_ima_wav adpcm_swf libmp3lame mp2 ac3 eac3 dca flac wmav2",
    "w64": f"{PCM} adpcm_ms adpcm_ima_wav libmp3lame mp2 ac3",
    "aiff": f"{PCM_BE} adpcm_ima_qt",
    "au": PCM_BE,
    "caf": f"{PCM_BE} pcm_s16le pcm_f32le alac libopus libmp3lame mp2 ac3 adpcm_ima_qt",
    "m4a": "aac alac ac3",
    "mp4": "aac alac ac3 eac3 flac libopus libmp3lame mp2 dca truehd libvorbis",
    "mov": f"{PCM} {PCM_BE} aac alac ac3 eac3 libmp3lame mp2 adpcm_ms adpcm_ima_qt",
    "mka": f"{PCM} aac alac ac3 eac3 flac libopus libvorbis libmp3lame mp2 dca truehd mlp tta "
    "wavpack wmav2 adpcm_ms adpcm_ima_wav",
    "webm": "libopus libvorbis",
    "ogg": "libvorbis libopus flac",
    "nut": "pcm_s16le pcm_f32le flac wavpack aac libvorbis libopus libmp3lame mp2 ac3",
    "ts": "aac ac3 eac3 mp2 libmp3lame dca libopus",
    "m2ts": "aac ac3 eac3 mp2 dca",
    "mpg": "mp2 ac3 dca libmp3lame",
    "vob": "mp2 ac3 dca",
    "avi": "pcm_s16le pcm_s24le pcm_f32le pcm_u8 pcm_alaw adpcm_ms adpcm_ima_wav libmp3lame mp2 "
    "ac3 eac3 aac dca flac wmav2 libvorbis",
    "flv": "aac libmp3lame adpcm_swf",
    "wma": "wmav1 wmav2 libmp3lame aac ac3 pcm_s16le",
    "voc": "pcm_s16le pcm_u8 pcm_alaw",
    "wtv": "mp2 ac3",
    "rm": "ac3",
    "3gp": "aac",
    "flac": "flac",
    "wv": "wavpack",
    "tta": "tta",
    "thd": "truehd",
    "dts": "dca",
    "eac3": "eac3",
    "latm": "aac",
    "sox": "pcm_s32le",
    "swf": "libmp3lame",
    "adx": "adpcm_adx",
    "ircam": "pcm_s16le",
}
# Those in which something was wrong before, first: one of them in a run of all tests.
FIRST = [("wav", "adpcm_ms"), ("nut", "wavpack"), ("caf", "alac"), ("w64", "adpcm_ima_wav")]
PAIRS = [(container, codec) for container, codecs in HELD.items() for codec in codecs.split()]
PAIRS = [*FIRST, *(pair for pair in dict.fromkeys(PAIRS) if pair not in FIRST)]
# The encoder keeps what doesn't fill its last frames to itself.
ENDS_EARLY = {"wmav1": 0.05, "wmav2": 0.05, ("mp4", "mp2"): 0.02, ("mov", "mp2"): 0.02}
# Frames of a codec before and after the sound: 2,048 samples and the delay of another frame.
FRAMES_S = 0.13


@pytest.mark.parametrize(("container", "codec"), one_of_many(PAIRS, len(FIRST)))
def test_it_is_whole(tmp_path, container, codec):
    path = tmp_path / f"song.{container}"
    source = f"sine=f=300:r=44100:d={SECONDS}"
    options = ("-ac", 2, "-c:a", codec, "-strict", -2)
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    with AudioReader(path) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
    early = ENDS_EARLY.get(codec, ENDS_EARLY.get((container, codec), 0.001))
    assert SECONDS - early <= sound.shape[-1] / reader.sample_rate <= SECONDS + FRAMES_S
    spectrum = np.abs(np.fft.rfft(sound[0] * np.hanning(sound.shape[-1])))
    hertz = np.argmax(spectrum) * reader.sample_rate / sound.shape[-1]
    assert hertz == pytest.approx(300, abs=5)
    # An eighth, as ffmpeg makes sines, on two sides.
    assert np.std(sound[0]) == pytest.approx(0.125 / 2, rel=0.12)
    assert reader.notices.all == []
