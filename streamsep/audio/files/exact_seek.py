"""Files in which a place can be gone to, to the sample, without decoding what is before it."""

from __future__ import annotations

from pathlib import Path

from streamsep.audio.files.decoded import DecodeError
from streamsep.audio.files.joined_files import next_cut, next_start, says_too_little
from streamsep.audio.files.sndfile_decoder import SndfileDecoder

LEAST_S = 2.0  # for less it isn't worth the look at the file
# libsndfile's names of what is stored sample by sample, and so decoded alike by all; in a WAV file
# by so many bytes.
EXACT = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


def decoder_from(path: Path, from_s: float) -> SndfileDecoder | None:
    """Return what decodes a file from a place on, or None where that isn't sure to be exact.

    It is for WAV and FLAC, mono or stereo, without loss, one file in one, that say their length.
    """
    if from_s < LEAST_S:
        return None
    try:
        decoder = SndfileDecoder(path)
    except (DecodeError, OSError, ValueError):
        return None
    if _is_exact(path, decoder) and decoder.begin_at(from_s):
        return decoder
    decoder.close()
    return None


def _is_exact(path: Path, decoder: SndfileDecoder) -> bool:
    kind, subtype, channels = decoder.form
    if kind not in ("WAV", "FLAC") or subtype not in EXACT or channels > 2:
        return False
    if kind == "FLAC":
        return next_cut(path, "flac", 0) is None
    sound = decoder.frames * channels * EXACT[subtype]
    return not says_too_little(path) and next_start(path, "wav", sound) is None
