"""Channels without their meaning: class 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.programs import (
    MODEL,
    RATE,
    ffmpeg,
    live,
    noise,
    peaks,
    run,
    separate,
    sum_of_stems,
    tone,
)
from failed_inputs.table import Verdict, case
from testing.servers import pulse_server


def surround(place: Path, suffix: str, speaker: int) -> tuple[float, float]:
    sound = np.zeros((2 * RATE, 6))
    sound[:, speaker] = 0.5 * np.sin(2 * np.pi * 330 * np.arange(2 * RATE) / RATE)
    sf.write(place / "raw.wav", sound, RATE, subtype="PCM_16")
    layout = ("-af", "aformat=channel_layouts=5.1")
    ffmpeg(place, "-channel_layout", "5.1", "-i", "raw.wav", *layout, f"song{suffix}")
    separate(place, f"song{suffix}", "--format", "wav")
    return peaks(sum_of_stems(place, "song"))


for _suffix in (".wav", ".flac", ".mka"):

    @case(5, f"5.1 {_suffix} with a tone in the centre only")
    def centre(place: Path, suffix: str = _suffix) -> Verdict:
        left, right = surround(place, suffix, 2)
        return left > 0.2 and abs(left - right) < 0.01, f"left {left:.3f}, right {right:.3f}"

    @case(5, f"5.1 {_suffix} with a tone in the LFE only")
    def effects_channel(place: Path, suffix: str = _suffix) -> Verdict:
        left, right = surround(place, suffix, 3)
        return max(left, right) < 0.01, f"left {left:.3f}, right {right:.3f}"


@case(5, "stereo file with the voice on the right only, as mic")
def one_sided_mic(place: Path) -> Verdict:
    sine = 0.5 * np.sin(2 * np.pi * 330 * np.arange(4 * RATE) / RATE)
    sf.write(place / "mic.wav", np.stack([0 * sine, sine], axis=-1), RATE, subtype="FLOAT")
    sf.write(place / "song.wav", np.zeros((4 * RATE, 2)), RATE)
    done = run(
        *("live", "--input", "song.wav", "--mic", "mic.wav", "--voice-effects", "off"),
        *("--output", "null", "--record", "take.wav", "--record-stems", "mic", *MODEL),
        cwd=place,
    )
    sides = peaks(sf.read(place / "take.mic.wav", always_2d=True)[0])
    right = max(sides) > 0.49
    return right and done.code == 0, f"left {sides[0]:.3f}, right {sides[1]:.3f} of 0.500"


@case(5, "stereo source with the voice on the right only, as mic (PulseAudio)")
def one_sided_source(place: Path) -> Verdict:
    sine = 0.5 * np.sin(2 * np.pi * 330 * np.arange(4 * RATE) / RATE)
    sf.write(place / "voice.wav", np.stack([0 * sine, sine], axis=-1), RATE, subtype="FLOAT")
    noise(place / "song.wav", 30.0)
    with (
        pulse_server() as server,
        live(
            place,
            server,
            *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
            *("--voice-effects", "off", "--record", "take.wav", "--record-stems", "mic"),
            source="A.monitor",
            sink="B",
        ),
    ):
        server.play(place / "voice.wav", "A")
    take = sf.read(place / "take.mic.wav", always_2d=True)[0]
    heard = np.quantile(np.abs(take[np.abs(take).max(axis=1) > 0.01]), 0.99, axis=0)
    right = abs(heard.min() - 0.5) < 0.02
    return bool(right), f"left {heard[0]:.3f}, right {heard[1]:.3f} of 0.500"


@case(5, "two audio tracks, Vocal and Instrumental: a line")
def two_tracks(place: Path) -> Verdict:
    tone(place / "a.wav", 3.0)
    tone(place / "b.wav", 3.0, 200)
    ffmpeg(
        place,
        *("-i", "a.wav", "-i", "b.wav", "-map", "0:a", "-map", "1:a"),
        *("-metadata:s:a:0", "title=Vocal", "-metadata:s:a:1", "title=Instrumental", "song.mka"),
    )
    done = separate(place, "song.mka", "--format", "wav")
    line = next((line for line in done.err.splitlines() if "Instrumental" in line), "")
    return bool(line), line[:100] or "no line"
