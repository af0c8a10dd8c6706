"""Lengths that aren't true, and what changes in mid-stream: classes 3 and 4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.programs import (
    LOSSES,
    MODEL,
    RATE,
    ffmpeg,
    length,
    lengths_are,
    run,
    separate,
    tone,
)
from failed_inputs.table import Verdict, case


def vbr(place: Path, *, noise_first: bool) -> Verdict:
    silence = np.zeros((55 * RATE, 2))
    loud = np.random.default_rng(0).uniform(-0.3, 0.3, (5 * RATE, 2))
    parts = [loud, silence] if noise_first else [silence, loud]
    sf.write(place / "in.wav", np.concatenate(parts), RATE)
    ffmpeg(place, "-i", "in.wav", "-q:a", "0", "-write_xing", "0", "song.mp3")
    return lengths_are(place, "song", 60.0, separate(place, "song.mp3"))


case(3, "MP3, VBR, no Xing header: 5 s of noise, 55 s of silence")(
    lambda place: vbr(place, noise_first=True)
)
case(3, "the same reversed")(lambda place: vbr(place, noise_first=False))


def join_tones(song: Path, seconds: float) -> None:
    """Write two files of a tone each, one behind the other."""
    parts = [song.with_stem(name) for name in ("p1", "p2")]
    for part, hertz in zip(parts, (100, 200), strict=True):
        tone(part, seconds, hertz)
    song.write_bytes(b"".join(part.read_bytes() for part in parts))


@case(3, "cat p1.mp3 p2.mp3")
def joined(place: Path) -> Verdict:
    join_tones(place / "song.mp3", 20.0)
    return lengths_are(place, "song", 40.0, separate(place, "song.mp3"))


@case(3, "cat p1.ogg p2.ogg")
def chained(place: Path) -> Verdict:
    join_tones(place / "song.ogg", 20.0)
    return lengths_are(place, "song", 40.0, separate(place, "song.ogg"))


@case(3, "the joined MP3, live")
def joined_live(place: Path) -> Verdict:
    join_tones(place / "song.mp3", 4.0)
    files = ("--input", "song.mp3", "--output", "null", "--record", "take.wav")
    done = run("live", *files, *MODEL, cwd=place)
    got = length(place / "take.wav")
    return abs(got - 8.0) < 0.2 and done.code == 0, f"{got:.2f} of 8.00 s, exit {done.code}"


@case(3, "WAV that says 60 s and holds 11.3")
def short_wav(place: Path) -> Verdict:
    song = tone(place / "song.wav")
    song.write_bytes(song.read_bytes()[: 44 + int(11.3 * RATE) * 4])
    done = separate(place, "song.wav")
    right, figure = lengths_are(place, "song", 11.3, done, codes=(0, LOSSES))
    return right and "song.wav" in done.err, f"{figure}; {done.err.splitlines()[0][:90]}"


@case(3, "AIFF and CAF whose header says half of what is in it")
def half_said(place: Path) -> Verdict:
    figures, right = [], True
    for suffix, name, width in (("aiff", b"SSND", 4), ("caf", b"data", 8)):
        song = tone(place / f"{suffix}.{suffix}", 4.0)
        content = bytearray(song.read_bytes())
        at = content.index(name) + 4
        size = int.from_bytes(content[at : at + width], "big")
        content[at : at + width] = (size // 2).to_bytes(width, "big")
        song.write_bytes(content)
        done = separate(place, song.name, "--format", "wav")
        whole, figure = lengths_are(place, suffix, 4.0, done)
        right &= whole and "its header says" in done.err
        figures.append(figure)
    return right, "; ".join(figures)


@case(3, "a program stream and a NUT file that end within a packet")
def cut_packets(place: Path) -> Verdict:
    codes = []
    for suffix in ("mpg", "vob", "nut"):
        song = tone(place / f"song.{suffix}", 4.0)
        content = song.read_bytes()
        song.write_bytes(content[: len(content) * 2 // 3 + 100])
        codes.append(separate(place, song.name, "--format", "wav", "--overwrite").code)
    return codes == [LOSSES] * 3, f"exit {codes}"


@case(4, "MPEG-TS: stereo, mono, 5.1 in one stream")
def changing(place: Path) -> Verdict:
    names = []
    for layout in ("stereo", "mono", "5.1"):
        ffmpeg(
            place,
            *("-f", "lavfi", "-i", "sine=f=330:d=5:r=44100"),
            *("-af", f"aformat=channel_layouts={layout}", "-c:a", "aac", f"{layout}.ts"),
        )
        names.append(place / f"{layout}.ts")
    (place / "song.ts").write_bytes(b"".join(name.read_bytes() for name in names))
    tone(place / "zz.wav", 2.0)
    done = separate(place, "song.ts", "zz.wav", "--format", "wav")
    got = length(place / "song.beat.wav")
    right = got > 14.5 and not done.traceback and (place / "zz.beat.wav").exists()
    return right, f"{got:.2f} of 15.0 s, exit {done.code}, zz done"
