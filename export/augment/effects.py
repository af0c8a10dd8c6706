"""Effects for augmentation: levels, speeds, rooms, doublings, pauses, equalisers.

Each takes a random generator and draws from it alone, so that an item is a function of its seed.
Sounds are float32 of shape (..., samples) at 44.1 kHz; nothing is changed in place.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from export.constants import SAMPLE_RATE
from export.data.audio import SILENT_RMS, Audio, rms

ROOM_S = (0.2, 2.0)  # until a room's tail has fallen by 60 dB
DOUBLE_CENTS, DOUBLE_S = 25.0, (0.003, 0.045)  # how far a second take is out of tune, and late
PAUSE_PLACE, PAUSE_FADE_S = (0.15, 0.85), 0.02  # share of the sound, and how fast it comes or goes
EQ_POINTS, EQ_DB, EQ_CHANCE = 8, 6.0, 0.7


def random_gain(rng: np.random.Generator, decibels: tuple[float, float]) -> np.float32:
    """Return a linear gain whose level is uniform in a range of dB."""
    return np.float32(10 ** (rng.uniform(*decibels) / 20))


def gain_to_level(rng: np.random.Generator, sound: Audio, dbfs: tuple[float, float]) -> np.float32:
    """Return the gain that brings a sound's RMS to a random level, in dB of full scale.

    Silence, below `export.data.audio.SILENT_RMS`, isn't brought up to it.
    """
    return np.float32(random_gain(rng, dbfs) / max(rms(sound), SILENT_RMS))


def change_speed(sound: Audio, speed: float, samples: int) -> Audio:
    """Play a sound faster or slower, pitch and tempo alike.

    Parameters
    ----------
    speed
        2 is an octave up and half as long.
    samples
        How many to return; what is missing at the end is silence.

    Returns
    -------
    ndarray
        float32, shape (..., samples).
    """
    if speed != 1:
        # Quick quality: this is a disguise, not a product, and it runs for every item.
        sound = soxr.resample(sound.T, speed, 1.0, quality="QQ").T
    changed = np.zeros((*sound.shape[:-1], samples), np.float32)
    count = min(sound.shape[-1], samples)
    changed[..., :count] = sound[..., :count]
    return changed


def add_reverb(
    rng: np.random.Generator, dry: Audio, tail_db: tuple[float, float] = (-22.0, -1.0)
) -> Audio:
    """Put a dry sound in a made-up room: noise that decays 60 dB within 0.2 to 2 seconds.

    Each channel has noise of its own, as far walls have. The direct sound stays where it is.

    Parameters
    ----------
    dry
        Shape (..., samples).
    tail_db
        Range of the tail's energy, in dB of the direct sound's.

    Returns
    -------
    ndarray
        float32, same shape; the tail ends with the sound.

    References
    ----------
    .. [1] Moorer, "About this reverberation business", 1979: rooms as decaying white noise.
    """
    seconds = rng.uniform(*ROOM_S)
    time = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal((*dry.shape[:-1], time.size), np.float32)
    tail *= 10 ** (-3 * time / np.float32(seconds))
    tail *= random_gain(rng, tail_db) / np.sqrt(np.sum(tail**2, axis=-1, keepdims=True))
    wet = fftconvolve(dry, tail, axes=-1)[..., : dry.shape[-1]]
    return np.asarray(dry + wet.astype(np.float32), np.float32)


def double_voice(rng: np.random.Generator, voice: Audio) -> Audio:
    """Put a voice on one side and a second take of it on the other: late and out of tune.

    Parameters
    ----------
    voice
        Shape (2, samples), of which the mean is taken.

    Returns
    -------
    ndarray
        float32, same shape, from half to all the way apart.
    """
    mono = voice.mean(axis=0)
    speed = 2 ** (rng.uniform(-DOUBLE_CENTS, DOUBLE_CENTS) / 1_200)
    late = int(rng.uniform(*DOUBLE_S) * SAMPLE_RATE)
    second = np.zeros_like(mono)
    second[late:] = change_speed(mono, speed, mono.size - late)
    width = rng.uniform(0.5, 1.0)
    sides = np.stack([mono + (1 - width) * second, second + (1 - width) * mono])
    return np.asarray(sides if rng.random() < 0.5 else sides[::-1], np.float32)


def pan(rng: np.random.Generator, sound: Audio, spread: float) -> Audio:
    """Put the mean of a sound's channels somewhere between left and right, at equal power.

    Parameters
    ----------
    sound
        Shape (2, samples).
    spread
        Standard deviation of the place, which is 0 in the middle and −1 and 1 at the sides.

    Returns
    -------
    ndarray
        float32, same shape.
    """
    place = np.clip(rng.normal(0.0, spread), -1.0, 1.0)
    gains = np.sqrt(np.array([[1.0 - place], [1.0 + place]], np.float32))
    return np.asarray(gains * sound.mean(axis=0), np.float32)


def silence_one_end(rng: np.random.Generator, sound: Audio) -> Audio:
    """Leave a sound out before or after some moment, shape (..., samples)."""
    samples = sound.shape[-1]
    place, width = rng.uniform(*PAUSE_PLACE) * samples, PAUSE_FADE_S * SAMPLE_RATE
    fade = np.clip((np.arange(samples) - place) / width, 0.0, 1.0).astype(np.float32)
    return np.asarray(sound * (fade if rng.random() < 0.5 else 1 - fade), np.float32)


def random_equalizer_gains(
    rng: np.random.Generator, places: range, bins: int
) -> NDArray[np.float32]:
    """Return linear gains of equalisers, (places, bins): some of them flat.

    They are a few decibels up or down, and smooth over octaves.

    Parameters
    ----------
    places
        Which of ``places.stop`` that are drawn.
    bins
        Of an STFT, from 0 Hz on.
    """
    octaves = np.log2(1 + np.arange(bins))
    knots = np.linspace(0, octaves[-1], EQ_POINTS)
    levels = rng.uniform(-EQ_DB, EQ_DB, (places.stop, EQ_POINTS))
    levels *= rng.random((places.stop, 1)) < EQ_CHANCE
    curves = [np.interp(octaves, knots, levels[place]) for place in places]
    return (10 ** (np.stack(curves) / 20)).astype(np.float32)
