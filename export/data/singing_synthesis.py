"""Speech turned into singing: the words, timbre and breath of a speaker on a made-up melody.

Real singing by many people is what open data lacks; speech by many people it has. The WORLD
vocoder (Morise, Yokomori and Ozawa 2016) takes a voice apart into pitch, spectral envelope and
breath. Vowels are stretched, the pitch is replaced by notes of a scale with glides and vibrato,
the envelope is moved up or down as another throat would, and the parts are put together again.

The notes are made up, or those of a tune: then voice and band are in one key, as in true songs, and
their partials meet.

References
----------
.. [1] Morise, Yokomori and Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system for
   real-time applications", 2016.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from export.constants import SAMPLE_RATE
from export.data.audio import Audio
from export.errors import DataError

Array = NDArray[np.float64]

FRAME_MS = 5.0
FRAMES_PER_S = 1_000.0 / FRAME_MS
PITCH_HZ = (70.0, 800.0)  # where a speaker's pitch is looked for
SUNG_HZ = (98.0, 780.0)  # G2 to G5
MEDIAN_OCTAVES = (0.0, 1.0)  # people sing higher than they speak
VOWEL_STRETCH = (1.2, 3.2)
TUNE_STRETCH = (0.8, 4.0)  # further than anybody sings, but words are as long as they are
NOTE_S = (0.15, 1.1)
GLIDE_S = (0.02, 0.09)
VIBRATO_HZ = (4.5, 6.8)
VIBRATO_SEMITONES = (0.0, 0.7)
FORMANT_OCTAVES = 0.22
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
SHORTEST_S = 0.15  # less than this holds no vowel


def synthesize_singing(
    speech: Audio, rng: np.random.Generator, notes: Array | None = None
) -> Audio | None:
    """Return the speech as singing, or None if there is no voice in it.

    Parameters
    ----------
    speech
        float32, (samples,) at 44.1 kHz: a word or a few sentences of one person.
    rng
        Decides melody, tempo and timbre.
    notes
        What to sing instead of a made-up melody: a MIDI note for each frame of 5 ms. The speech is
        stretched to that length as far as that goes.

    Returns
    -------
    ndarray
        float32, (other number of samples,), at the level of the input.

    Raises
    ------
    DataError
        If pyworld isn't installed.
    """
    world = _world()
    x = np.ascontiguousarray(speech, dtype=np.float64)
    if x.size < SHORTEST_S * SAMPLE_RATE:
        return None
    rough, times = world.dio(
        x, SAMPLE_RATE, f0_floor=PITCH_HZ[0], f0_ceil=PITCH_HZ[1], frame_period=FRAME_MS
    )
    pitch = world.stonemask(x, rough, times, SAMPLE_RATE)
    voiced = pitch > 0
    if voiced.sum() < SHORTEST_S * FRAMES_PER_S:
        return None
    envelope = world.cheaptrick(x, pitch, times, SAMPLE_RATE)
    spoken_hz = float(np.median(pitch[voiced]))
    if notes is None:
        places = _stretch(voiced, rng.uniform(*VOWEL_STRETCH))
        sung_hz = melody(len(places), spoken_hz, rng)
    else:
        wanted = (len(notes) - np.sum(~voiced)) / np.sum(voiced)
        places = _stretch(voiced, float(np.clip(wanted, *TUNE_STRETCH)))[: len(notes)]
        sung_hz = follow(notes[: len(places)], spoken_hz, rng)
    voiced = voiced[places]
    envelope = _move_formants(envelope, 2 ** rng.uniform(-FORMANT_OCTAVES, FORMANT_OCTAVES))
    envelope = np.ascontiguousarray(envelope[places])
    sung = world.synthesize(
        np.where(voiced, sung_hz, 0.0),
        envelope,
        _breath(voiced, envelope.shape[1], rng),
        SAMPLE_RATE,
        FRAME_MS,
    )
    level = np.sqrt(np.mean(x**2) / max(np.mean(sung**2), 1e-12))
    return np.asarray(sung * level, np.float32)


def melody(frames: int, spoken_hz: float, rng: np.random.Generator) -> Array:
    """Return a pitch in Hz for each frame of 5 ms: a walk on a scale, with glides and vibrato."""
    steps = np.array(SCALES[rng.integers(len(SCALES))])
    scale = np.concatenate([steps + 12 * octave for octave in range(-2, 3)])
    key = spoken_hz * 2 ** rng.uniform(*MEDIAN_OCTAVES)
    low, high = (12 * np.log2(hz / key) for hz in SUNG_HZ)
    within = scale[(scale >= max(low, -10)) & (scale <= min(high, 10))]
    if not within.size:  # a very low or very high speaker
        within = np.array([np.clip(0.0, low, high)])
    place = int(rng.integers(len(within)))
    semitones = np.empty(frames)
    start = 0
    while start < frames:
        count = max(int(rng.uniform(*NOTE_S) * FRAMES_PER_S), 1)
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(within) - 1))
        semitones[start : start + count] = within[place]
        start += count
    return np.asarray(key * 2 ** (_perform(semitones, rng) / 12))


def follow(notes: Array, spoken_hz: float, rng: np.random.Generator) -> Array:
    """Return MIDI notes, one a frame of 5 ms, as Hz in an octave where this person would sing."""
    hertz = 440.0 * 2 ** ((np.asarray(notes, np.float64) - 69) / 12)
    median = float(np.median(hertz))
    wanted = np.clip(spoken_hz * 2 ** rng.uniform(*MEDIAN_OCTAVES), 1.3 * SUNG_HZ[0], 500.0)
    hertz *= 2.0 ** np.round(np.log2(wanted / median))
    hertz *= 2.0 ** -np.clip(np.ceil(np.log2(hertz / SUNG_HZ[1])), 0, None)  # note by note
    hertz *= 2.0 ** np.clip(np.ceil(np.log2(SUNG_HZ[0] / hertz)), 0, None)
    return np.asarray(2 ** (_perform(12 * np.log2(hertz), rng) / 12))


def _perform(semitones: Array, rng: np.random.Generator) -> Array:
    """Sing steps of semitones, one a frame, as people do: a little off, with glides and vibrato."""
    frames = len(semitones)
    performed, vibrato = np.array(semitones), np.zeros(frames)
    ends = [*(np.flatnonzero(np.diff(semitones)) + 1), frames]
    for start, end in zip([0, *ends], ends, strict=False):
        performed[start:end] += rng.normal(0.0, 0.1)
        time = np.arange(end - start) / FRAMES_PER_S
        depth = rng.uniform(*VIBRATO_SEMITONES) * np.clip(time / 0.4 - 0.3, 0.0, 1.0)
        vibrato[start:end] = depth * np.sin(2 * np.pi * rng.uniform(*VIBRATO_HZ) * time)
    glide = np.hanning(2 * max(int(rng.uniform(*GLIDE_S) * FRAMES_PER_S), 1) + 1)
    padded = np.pad(performed, len(glide) // 2, mode="edge")
    smooth = np.convolve(padded, glide / glide.sum(), mode="valid")
    drift = rng.standard_normal(frames + 19)
    drift = 0.05 * np.convolve(drift, np.ones(20) / np.sqrt(20), mode="valid")
    return np.asarray(smooth + vibrato + drift)


def _stretch(voiced: NDArray[np.bool_], factor: float) -> NDArray[np.int64]:
    """Return which frame of the speech each frame of the song takes; vowels last longer."""
    lengths = np.where(voiced, factor, 1.0)
    ends = np.cumsum(lengths)
    return np.minimum(np.searchsorted(ends, np.arange(int(ends[-1]))), len(voiced) - 1)


def _move_formants(envelope: Array, ratio: float) -> Array:
    """Stretch the frequency axis of (frames, bins): above 1 a smaller throat."""
    bins = np.arange(envelope.shape[1])
    source = np.minimum(bins / ratio, bins[-1])
    low = np.minimum(source.astype(int), bins[-1] - 1)
    share = source - low
    logs = np.log(envelope)
    return np.asarray(np.exp(logs[:, low] * (1 - share) + logs[:, low + 1] * share))


def _breath(voiced: NDArray[np.bool_], bins: int, rng: np.random.Generator) -> Array:
    """Return aperiodicity, (frames, bins): a voice is noisier the higher the band.

    Measuring it as WORLD does takes longer than everything else; drawing it makes voices from
    clear to breathy instead.
    """
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, bins)
    turn = rng.uniform(2_500.0, 14_000.0)
    curve = np.clip(0.02 + (hertz / turn) ** 2, 0.001, 0.95)
    return np.where(voiced[:, None], curve, 0.999)


def _world() -> ModuleType:
    try:
        import pyworld
    except ImportError as error:
        raise DataError(
            f"pyworld can't be imported ({error})",
            expected="the package that makes speech sing",
            remedy="pip install 'streamsep[train]', or leave --singing-synthesis out",
        ) from error
    return pyworld
