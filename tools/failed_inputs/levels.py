"""One bad sample, and full scale: classes 14 and 16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.programs import (
    LOSSES,
    MODEL,
    RATE,
    ffmpeg,
    lengths_are,
    noise,
    run,
    separate,
    tone,
)
from failed_inputs.table import Verdict, case


@case(14, "one NaN in a float WAV")
def one_nan(place: Path) -> Verdict:
    sound = np.full((3 * RATE, 2), 0.1, np.float32)
    sound[RATE, 0] = np.nan
    sf.write(place / "song.wav", sound, RATE, subtype="FLOAT")
    done = separate(place, "song.wav")
    right, figure = lengths_are(place, "song", 3.0, done, codes=(LOSSES,))
    return right and "1.000" in done.err, f"{figure}; {done.err.splitlines()[0][:80]}"


@case(14, "a flipped byte in FLAC")
def flipped(place: Path) -> Verdict:
    noise(place / "song.flac", 6.0)
    data = bytearray((place / "song.flac").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (place / "song.flac").write_bytes(data)
    done = separate(place, "song.flac")
    right, figure = lengths_are(place, "song", 6.0, done, codes=(LOSSES,))
    return right, f"{figure}; {done.err.splitlines()[0][:80]}"


@case(14, "a hole in MP3")
def hole(place: Path) -> Verdict:
    noise(place / "song.wav", 10.0)
    ffmpeg(place, "-i", "song.wav", "-b:a", "128k", "in.mp3")
    data = bytearray((place / "in.mp3").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8_000] = bytes(8_000)
    (place / "song.mp3").write_bytes(data)
    done = separate(place, "song.mp3")
    right, figure = lengths_are(place, "song", 10.0, done, codes=(LOSSES,))
    return right, f"{figure}; {done.err.splitlines()[0][:80]}"


@case(16, "song and voice near full scale, recorded")
def full_scale(place: Path) -> Verdict:
    for name in ("song.wav", "voice.wav"):
        tone(place / name, 4.0, level_db=-0.5 + 18.0)  # ffmpeg's sine is at -18 dB
    done = run(
        *("live", "--input", "song.wav", "--mic", "voice.wav", "--voice-effects", "off"),
        *("--guide", "100", "--output", "null", "--record", "take.wav", *MODEL),
        cwd=place,
    )
    take = sf.read(place / "take.wav", always_2d=True)[0]
    cut = float(np.mean(np.abs(take) > 0.9999))
    line = next((line for line in (done.out + done.err).splitlines() if "full scale" in line), "")
    return cut < 0.02 and bool(line), f"{100 * cut:.1f} % at full scale; {line[-70:]}"
