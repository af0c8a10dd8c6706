"""Tracks once more as a lossy codec leaves them.

Music that can be had has mostly been coded, voices mostly haven't: a network that knows nothing
else takes a codec's traces for a band's.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

from export.constants import SAMPLE_RATE
from export.data.audio import Audio, read_part, write_int16
from export.data.manifest import Track

PREFIX = "lossy-"
HEADROOM = 0.9  # of full scale: what a codec adds must not clip


class Codec(NamedTuple):
    """A format and subtype of libsndfile's, and its compression level, from 0 to 1."""

    format: str
    subtype: str
    level: float


# With the levels to draw from: of dense stereo music about 65 to 150 kbit/s, and 90 to 130.
VORBIS = "OGG", "VORBIS", (0.5, 0.95)
MP3 = "MP3", "MPEG_LAYER_III", (0.45, 0.75)


def add_transcoded(track: Track, folder: Path) -> Track:
    """Code each file of a prepared track by itself, unless that is done.

    Which codec it is and how much it keeps, the track's name decides. The mixture is what the parts
    sum to. Files that are the same left and right have one channel.

    Parameters
    ----------
    folder
        The prepared folder; the new track's files go to a folder of its own there, which appears
        when they are complete.

    Returns
    -------
    Track
        The new track, as long as the other; its name begins with `PREFIX`.

    Raises
    ------
    OSError
        If it can't be written.
    """
    name = PREFIX + track.id
    rng = np.random.default_rng(zlib.crc32(track.id.encode()))
    kind, subtype, levels = (VORBIS, MP3)[rng.integers(2)]
    codec = Codec(kind, subtype, float(rng.uniform(*levels)))
    if not (folder / name).is_dir():
        partial = folder / f"{name}.partial"
        partial.mkdir(exist_ok=True)
        coded = {
            what: transcode(read_part(folder / file, 0, track.samples), SAMPLE_RATE, codec)[0]
            for what, file in track.files.items()
            if what != "mixture"
        }
        if "mixture" in track.files:
            coded["mixture"] = coded["vocals"] + coded["accompaniment"]
        for what, sound in coded.items():
            same = np.array_equal(sound[0], sound[1])
            write_int16(partial / f"{what}.wav", sound[: 1 if same else 2])
        partial.rename(folder / name)
    return Track(
        id=name,
        kind=track.kind,
        split=track.split,
        samples=track.samples,
        gain_db=track.gain_db,
        files={what: f"{name}/{what}.wav" for what in track.files},
        source=track.source,
        licence=track.licence,
        members=track.members,
    )


def transcode(sound: Audio, rate: int, codec: Codec) -> tuple[Audio, float]:
    """Encode a sound and decode it again.

    Parameters
    ----------
    sound
        float32, shape (channels, samples); what is louder than full scale is coded softer and made
        louder again.
    rate
        In Hz.

    Returns
    -------
    tuple
        float32 of the same shape, aligned with the sound, and the bit rate in kbit/s.
    """
    same = len(sound) == 2 and np.array_equal(sound[0], sound[1])
    heard = sound[:1] if same else sound
    peak = max(1.0, float(np.abs(sound).max()) / HEADROOM)
    file = io.BytesIO()
    with sf.SoundFile(
        file,
        "w",
        rate,
        len(heard),
        codec.subtype,
        format=codec.format,
        compression_level=codec.level,
    ) as encoder:
        # Given all at once, libsndfile's Vorbis runs out of stack.
        for part in np.array_split(heard.T / peak, 1 + sound.shape[1] // rate):
            encoder.write(part)
    bits = 8 * file.tell()
    file.seek(0)
    heard = sf.read(file, dtype="float32", always_2d=True)[0].T * np.float32(peak)
    out = np.zeros_like(sound)
    count = min(sound.shape[1], heard.shape[1])
    out[:, :count] = heard[:, :count]
    return out, bits * rate / sound.shape[1] / 1_000
