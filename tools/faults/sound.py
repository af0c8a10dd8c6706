"""Song and voice of a run, each with a tone of its own, and when they are heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 44_100
WINDOWS_HZ = 50  # how many windows a second are looked at
SONG_HZ, VOICE_HZ = 450.0, 3_000.0  # whole numbers of periods in a window
LEVEL, AUDIBLE, NOISE = 0.2, 0.05, 0.05
STEADY_WINDOWS = 10  # in a row, before it is said to be back
SONG_PART_S = 10.0


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """Return (N,) float32; of whole tenths of a second it can be repeated without a seam."""
    at = np.arange(round(seconds * rate)) / rate
    return (LEVEL * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def song_part() -> np.ndarray:
    """Return a part of the song (N,), to be repeated: its tone and noise, which is like no other.

    By the noise the program finds its input again in its output, and measures its latency.
    """
    sound = tone(SONG_HZ, SONG_PART_S)
    noise = np.random.default_rng(0).uniform(-NOISE, NOISE, len(sound))
    return sound + noise.astype(np.float32)


def write_song(path: Path, seconds: float) -> None:
    """Write the song to a sound file."""
    part = song_part()
    with sf.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(round(seconds / SONG_PART_S)):
            file.write(part)


def heard(sound: np.ndarray, hz: float, rate: int = RATE) -> np.ndarray:
    """Say of each window of (N,) whether a tone is in it."""
    size = rate // WINDOWS_HZ
    windows = sound[: len(sound) // size * size].reshape(-1, size)
    turn = np.exp(-2j * np.pi * hz / rate * np.arange(size))
    return np.abs(windows @ turn) * 2 / size > AUDIBLE


def back_after_s(sound: np.ndarray, hz: float, rate: int = RATE) -> float | None:
    """Return after how many seconds a tone is there and stays; None if it isn't yet."""
    there = np.pad(heard(sound, hz, rate), (0, STEADY_WINDOWS))  # not yet, beyond what was heard
    steady = np.lib.stride_tricks.sliding_window_view(there, STEADY_WINDOWS).all(axis=-1)
    return float(np.argmax(steady)) / WINDOWS_HZ if steady.any() else None
