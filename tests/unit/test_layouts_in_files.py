"""Every layout of up to eight channels, in every format that holds it: each speaker where it is."""

import av
import numpy as np
import pytest

from streamsep.audio.files.sound_file import AudioReader
from streamsep.dsp.channels import LAYOUTS, STEREO_GAINS
from tests.support.cases import one_fast, one_of_many

RATE, PIECE = 48_000, 9_600  # samples of a tone in each channel after the other
LEVEL = 0.25
EIGHT = [name for name, speakers in LAYOUTS.items() if len(speakers.split()) <= 8]
# Suffix, codec, what its samples are, what is lost of a tone, and how many layouts it holds.
FORMS = {
    "wav": ("wav", "pcm_s16le", "s16", 0.01, 28),
    "wav, 24 bits": ("wav", "pcm_s24le", "s32", 0.01, 30),
    "wv": ("wv", "wavpack", "fltp", 0.01, 29),
    "mov": ("mov", "pcm_s16le", "s16", 0.01, 30),
    "flac": ("flac", "flac", "s16", 0.01, 29),
    "alac": ("m4a", "alac", "s16p", 0.01, 8),
    "aac": ("m4a", "aac", "fltp", 0.12, 10),
    "ac3": ("ac3", "ac3", "fltp", 0.12, 11),
    "eac3": ("mka", "eac3", "fltp", 0.12, 11),
    "opus": ("opus", "libopus", "flt", 0.12, 8),
    "w64": ("w64", "pcm_s16le", "s16", 0.01, 28),
    "aac in ts": ("ts", "aac", "fltp", 0.12, 10),
}


def tones(speakers):
    """Return (C, N): a tone in each channel after the other; low ones for LFE."""
    time = np.arange(PIECE) / RATE
    sound = np.zeros((len(speakers), len(speakers) * PIECE), np.float32)
    for index, name in enumerate(speakers):
        hertz = 60 if name.startswith("LFE") else 500
        place = slice(index * PIECE, (index + 1) * PIECE)
        sound[index, place] = LEVEL * np.sin(2 * np.pi * hertz * time)
    return sound


def write(path, codec, kind, layout):
    """Write the tones of a layout, and say whether that is how the file has it."""
    sound = tones(LAYOUTS[layout].split())
    try:
        with av.open(str(path), "w", options={"strict": "-2"}) as container:
            stream = container.add_stream(codec, rate=RATE, layout=layout)
            stream.codec_context.options = {"strict": "-2"}
            if kind.startswith(("flt", "s16p")) and codec not in ("alac", "wavpack"):
                stream.bit_rate = 100_000 * len(sound)
            if codec == "libopus" and len(sound) > 2:
                stream.codec_context.options |= {"mapping_family": "1"}
            resampler = av.AudioResampler(
                kind, layout, RATE, stream.codec_context.frame_size or 4096
            )
            # (Packed: PyAV gives no eight planes.)
            packed = np.ascontiguousarray(sound.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.sample_rate, frame.pts = RATE, 0
            for each in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(each))
        with av.open(str(path)) as container:
            return container.streams.audio[0].layout.name == layout
    except (av.FFmpegError, ValueError):
        return False


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1), reader.notices.all


@pytest.mark.parametrize("form", [*one_fast([*FORMS][:-2]), *one_of_many([*FORMS][-2:], 0)])
def test_each_speaker_is_heard_where_it_stands(tmp_path, form):
    suffix, codec, kind, loss, least = FORMS[form]
    held = []
    for layout in EIGHT:
        path = tmp_path / f"{len(held)}.{suffix}"
        if not write(path, codec, kind, layout):
            continue
        held.append(layout)
        speakers = LAYOUTS[layout].split()
        sound, notices = read(path)
        assert len(sound) == min(len(speakers), 2)
        for index, name in enumerate(speakers):
            # The middle of its piece: encoders add up to 2,100 samples, at one end or the other.
            middle = slice(index * PIECE + 3_000, (index + 1) * PIECE - 3_000)
            heard = np.abs(sound[:, middle]).max(axis=-1) / LEVEL
            gains = STEREO_GAINS[name] if len(speakers) > 1 else (1.0,)
            assert heard == pytest.approx(gains, abs=loss), (layout, name)
        lines = [notice.text for notice in notices]
        assert len(lines) == (layout not in ("mono", "stereo")), (layout, lines)
        assert ("LFE left out" in " ".join(lines)) == ("LFE" in speakers), (layout, lines)
    assert len(held) >= least, held
