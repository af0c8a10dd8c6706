"""Voices that sing known notes: pulses through formants, with vibrato and breath."""

import numpy as np

RATE = 44_100
# Centre and width of formants in Hz: a, e, i, o.
VOWELS = (
    ((700, 110), (1_220, 120), (2_600, 160)),
    ((480, 80), (1_800, 120), (2_500, 160)),
    ((320, 60), (2_250, 110), (3_000, 170)),
    ((450, 80), (850, 90), (2_600, 160)),
)
TUNE = ((60, 0.5), (62, 0.5), (64, 0.5), (65, 0.5), (67, 1.0), (None, 0.3), (69, 0.5), (67, 1.0))
OTHER_TUNE = ((63, 0.7), (61, 0.4), (66, 0.9), (None, 0.2), (68, 0.6), (58, 0.8), (None, 0.4))


def sing(tune=TUNE, seconds=8.0, *, transpose=0.0, level=0.3, vibrato=0.25, seed=0):
    """Sing a tune of (MIDI note or None, seconds) again and again, (N,) float32 at 44.1 kHz."""
    rng = np.random.default_rng(seed)
    notes, vowels = _notes(tune, round(seconds * RATE))
    sounding = ~np.isnan(notes)
    # The voice glides from note to note; vibrato is in semitones.
    glide = np.ones(1_323) / 1_323
    held = np.where(sounding, notes, np.nanmean(notes))
    pitch = np.convolve(np.pad(held, 661, "edge"), glide, "valid")
    time = np.arange(len(pitch)) / RATE
    pitch += transpose + vibrato * np.sin(2 * np.pi * 5.5 * time + rng.uniform(0, 6))
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    voice = np.zeros(len(pitch))
    centres, widths = np.moveaxis(np.array(VOWELS, float), -1, 0)
    for harmonic in range(1, 13):
        away = (harmonic * hz[:, None] - centres[vowels]) / widths[vowels]
        gain = np.sum(1.0 / (1.0 + away**2), axis=-1) + 0.02
        voice += gain / harmonic * np.sin(harmonic * phase)
    breath = 0.003 * rng.standard_normal(len(pitch))
    swell = np.convolve(np.pad(sounding * 1.0, 661, "edge"), glide, "valid")
    voice = (voice / np.abs(voice).max() + breath) * swell
    return (level * voice).astype(np.float32)


def _notes(tune, count):
    """Return for each sample its note, NaN for none, and which vowel it has."""
    notes, vowels, place, index = np.full(count, np.nan), np.zeros(count, int), 0, 0
    while place < count:
        note, seconds = tune[index % len(tune)]
        end = place + round(seconds * RATE)
        notes[place:end] = np.nan if note is None else note
        vowels[place:end] = index % len(VOWELS)
        place, index = end, index + 1
    return notes, vowels
