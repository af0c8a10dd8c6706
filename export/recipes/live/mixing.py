"""Stereo random mixes: a voice and a band that never met, drawn by seed, step and place.

A band comes with the stems in it that are to be told apart: an array (1 + parts, 2, samples), the
whole and then its parts. What is done to a band is done to all of them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr
from scipy.signal import fftconvolve

from export.constants import HOP_LENGTH, SAMPLE_RATE
from export.data.audio import SILENT_RMS, Audio, read_part, rms
from export.data.manifest import Track
from export.data.track_pools import draw_track, pools, tracks_with
from export.errors import DataError
from export.recipes.tutorial.mixing import TRIES

ITEM_FRAMES = 130  # 3 s
ITEM_SAMPLES = ITEM_FRAMES * HOP_LENGTH

# What an item is, by chance; the rest is a random mix.
TRUE_SONG_SHARE = 0.28
VOCAL_FREE_SHARE = 0.12
VOICE_ONLY_SHARE = 0.06
VOCAL_FREE_END = TRUE_SONG_SHARE + VOCAL_FREE_SHARE
VOICE_ONLY_END = VOCAL_FREE_END + VOICE_ONLY_SHARE

# Where voices and bands come from; shares of what there is are scaled to sum to 1.
SONG_SHARES = {"song": 0.55, "rendered": 0.45}
VOICE_SHARES = {"song": 0.25, "voice": 0.28, "sung": 0.25, "rendered": 0.08, "speech": 0.14}
BAND_SHARES = {"song": 0.22, "accompaniment": 0.58, "rendered": 0.20}

SECOND_VOICE_CHANCE = 0.20
SECOND_BAND_CHANCE = 0.30
ONE_STEM_CHANCE = 0.35  # of a band whose stems are known: drums or the rest without the other
WIDE_CHANCE = 0.2  # of a voice that is doubled, left and right
REVERB_CHANCE = 0.6  # of solo voices: those of songs bring their own room
PAUSE_CHANCE = 0.30  # of a voice, before or after which the band plays alone
BREAK_CHANCE = 0.08  # of a band, before or after which the voice stands alone
OVERDRIVE_CHANCE = 0.12
CHOP_CHANCE, CHOP_ALONE_CHANCE = 0.12, 0.4  # of a voice that is played by a sampler
CHOP_PIECES, CHOP_S, CHOP_REST, CHOP_FADE_S = (2, 6), (0.08, 0.35), 0.25, (0.0003, 0.005)
CHOP_STEPS, CHOP_TIMES = (1, 4), (1, 4)  # how long a piece is, and how often it comes in a row
HOLD_CHANCE, HOLD_GRAIN_S, HOLD_RATE = 0.3, (0.03, 0.12), 0.3  # of pieces that stand still
HOLD_PERIOD_S, HOLD_STRAY_S = (0.001, 0.0125), 0.008
DOUBLE_CENTS, DOUBLE_S = 25.0, (0.003, 0.045)
MONO_CHANCE = 0.25  # of a whole item: old records, and phones
SPEED_CHANCE = 0.7
VOICE_OCTAVES = 0.45  # up or down in pitch and tempo: as good as other singers
BAND_OCTAVES = 0.30
SONG_OCTAVES = 0.30  # voice and band alike: still one song, by other people
VOICE_TO_BAND_DB = (-13.0, 5.0)
LEVEL_DBFS = (-32.0, -10.0)


WHOLES = frozenset({"mixture", "accompaniment", "vocals"})  # files that are no one instrument


class StereoMixer:
    """Draws stems and what there is besides them from a pool of prepared tracks.

    Parameters
    ----------
    folder
        The prepared folder.
    tracks
        Tracks of one split.
    seed
        With step and position it decides every draw.
    stems
        What to tell apart, by the names of the tracks' files.

    Raises
    ------
    DataError
        If there is no voice, or no band with these stems.
    """

    def __init__(
        self, folder: Path, tracks: Sequence[Track], seed: int, stems: Sequence[str] = ("vocals",)
    ) -> None:
        self._folder, self._seed, self._stems = folder, seed, tuple(stems)
        self._band_files = ["accompaniment", *(stem for stem in stems if stem != "vocals")]
        known = tracks_with(tracks, stems)
        self._voices = pools(tracks, "vocals", VOICE_SHARES)
        self._bands = pools(known, "accompaniment", BAND_SHARES)
        self._songs = pools([t for t in known if "vocals" in t.files], "vocals", SONG_SHARES)
        if not self._voices:
            raise DataError(
                "no voice to mix",
                expected="at least one singer, speaker or song",
                remedy="prepare some",
            )

    def sample(self, step: int, position: int) -> Audio:
        """Return stems and rest, float32 (S + 1, 2, ITEM_SAMPLES); they sum to the mixture."""
        rng = np.random.default_rng([self._seed, step, position])
        kind = rng.random()
        if self._songs and kind < TRUE_SONG_SHARE:
            voice, band = self._true_song(rng)
        else:
            band = self._band(rng)
            alone = VOCAL_FREE_END <= kind < VOICE_ONLY_END
            chop_chance = CHOP_ALONE_CHANCE if alone else CHOP_CHANCE
            voice = self._voice(rng, chop_chance) * _gain(rng, VOICE_TO_BAND_DB)
            if kind < VOCAL_FREE_END:
                voice = np.zeros_like(voice)
            elif alone:
                band = np.zeros_like(band)
            else:
                voice = _pause(rng, voice, PAUSE_CHANCE)
                band = _pause(rng, band, BREAK_CHANCE)
        if rng.random() < MONO_CHANCE:
            voice, band = (
                np.broadcast_to(x.mean(axis=-2, keepdims=True), x.shape) for x in (voice, band)
            )
        if rng.random() < 0.5:
            voice, band = voice[::-1], band[:, ::-1]
        scale = _gain(rng, LEVEL_DBFS) / max(rms(voice + band[0]), SILENT_RMS)
        return self._apart(voice, band) * np.float32(scale)

    def _apart(self, voice: Audio, band: Audio) -> Audio:
        """Return the stems in order, and then what is in none of them."""
        whole, *parts = band
        known = dict(zip(self._band_files[1:], parts, strict=True)) | {"vocals": voice}
        stems = np.stack([known.pop(stem) for stem in self._stems])
        rest = whole - sum(parts) if parts else whole
        return np.concatenate([stems, (rest + known.get("vocals", np.float32(0)))[None]])

    def _true_song(self, rng: np.random.Generator) -> tuple[Audio, Audio]:
        track = draw_track(rng, self._songs)
        names = ["vocals", *self._band_files]
        voice, *band = self._part(rng, track, names, SONG_OCTAVES)
        if track.kind == "rendered":
            voice = _stage(rng, voice, 0)
        return voice * _gain(rng, (-6.0, 6.0)), np.stack(band)

    def _band(self, rng: np.random.Generator) -> Audio:
        band = np.zeros((len(self._band_files), 2, ITEM_SAMPLES), np.float32)
        for index in range(2 if rng.random() < SECOND_BAND_CHANCE else 1):
            track = draw_track(rng, self._bands)
            one = self._one_stem(rng, track) if rng.random() < ONE_STEM_CHANCE else None
            if one is None:
                one = self._part(rng, track, self._band_files, BAND_OCTAVES)
            level = max(rms(one[0]), SILENT_RMS)
            band += one * np.float32(_gain(rng, (-9.0 * index, 0.0)) / level)
        return band

    def _one_stem(self, rng: np.random.Generator, track: Track) -> Audio | None:
        """Read one instrument of a band as the whole band, if they are known apart."""
        stems = sorted(track.files.keys() - WHOLES)
        if len(stems) < 2:
            return None
        name = stems[rng.integers(len(stems))]
        (one,) = self._part(rng, track, [name], BAND_OCTAVES)
        sounds = {"accompaniment", name}
        return np.stack([one if n in sounds else 0 * one for n in self._band_files])

    def _voice(self, rng: np.random.Generator, chop_chance: float) -> Audio:
        voice = np.zeros((2, ITEM_SAMPLES), np.float32)
        for index in range(2 if rng.random() < SECOND_VOICE_CHANCE else 1):
            track = draw_track(rng, self._voices)
            (one,) = self._part(rng, track, ["vocals"], VOICE_OCTAVES)
            if track.kind != "song":
                one = _stage(rng, one, index)
            elif rng.random() < WIDE_CHANCE:
                one = _double(rng, one)
            voice += one * np.float32(_gain(rng, (-9.0 * index, 0.0)) / max(rms(one), SILENT_RMS))
        if rng.random() < OVERDRIVE_CHANCE:
            drive = _gain(rng, (-6.0, 12.0))
            voice = np.tanh(drive * voice) / drive
        return _chop(rng, voice) if rng.random() < chop_chance else voice

    def _part(
        self, rng: np.random.Generator, track: Track, names: Sequence[str], octaves: float
    ) -> Audio:
        """Read a place where the first file sounds, sometimes at another speed: (names, 2, N)."""
        speed = 2 ** rng.uniform(-octaves, octaves) if rng.random() < SPEED_CHANCE else 1.0
        length = int(ITEM_SAMPLES * speed) + 1
        for _ in range(TRIES):
            start = int(rng.integers(max(track.samples - length, 0) + 1))
            first = read_part(self._folder / track.files[names[0]], start, length)
            if rms(first) > SILENT_RMS:
                break
        others = [read_part(self._folder / track.files[n], start, length) for n in names[1:]]
        out = np.zeros((len(names), 2, ITEM_SAMPLES), np.float32)
        for part, into in zip([first, *others], out, strict=True):
            if speed != 1.0:
                # Quick quality: this is a disguise, not a product, and it runs for every item.
                part = soxr.resample(part.T, speed, 1.0, quality="QQ").T
            count = min(part.shape[1], ITEM_SAMPLES)
            into[:, :count] = part[:, :count]
        return out


def _pause(rng: np.random.Generator, sound: Audio, chance: float) -> Audio:
    """Leave a sound out before or after some moment, by chance."""
    if rng.random() >= chance:
        return sound
    place, width = rng.uniform(0.15, 0.85) * ITEM_SAMPLES, 0.02 * SAMPLE_RATE
    fade = np.clip((np.arange(ITEM_SAMPLES) - place) / width, 0.0, 1.0).astype(np.float32)
    return sound * (fade if rng.random() < 0.5 else 1 - fade)


def _stage(rng: np.random.Generator, voice: Audio, index: int) -> Audio:
    """Put a solo voice on a stage, sometimes doubled, sometimes in a room."""
    voice = _place(rng, voice, index)
    if rng.random() < WIDE_CHANCE:
        voice = _double(rng, voice)
    return _add_room(rng, voice) if rng.random() < REVERB_CHANCE else voice


def _place(rng: np.random.Generator, voice: Audio, index: int) -> Audio:
    """Pan a mono voice: leads stand in the middle, second voices anywhere."""
    spread = 0.15 if index == 0 else 0.8
    pan = np.clip(rng.normal(0.0, spread), -1.0, 1.0)
    mono = voice.mean(axis=0)
    gains = np.sqrt(np.array([[1.0 - pan], [1.0 + pan]], np.float32))
    return (gains * mono).astype(np.float32)


def _double(rng: np.random.Generator, voice: Audio) -> Audio:
    """Put a voice on one side and a second take of it on the other: late and out of tune."""
    mono = voice.mean(axis=0)
    speed = 2 ** (rng.uniform(-DOUBLE_CENTS, DOUBLE_CENTS) / 1_200)
    late = int(rng.uniform(*DOUBLE_S) * SAMPLE_RATE)
    second = soxr.resample(mono, speed, 1.0, quality="QQ")[: mono.size - late]
    take = np.zeros_like(mono)
    take[late : late + second.size] = second
    width = rng.uniform(0.5, 1.0)
    sides = np.stack([mono + (1 - width) * take, take + (1 - width) * mono])
    return sides if rng.random() < 0.5 else sides[::-1]


def _chop(rng: np.random.Generator, voice: Audio) -> Audio:
    """Play a few pieces of a voice as a sampler does: in time, in a row, some of them held."""
    step = int(rng.uniform(*CHOP_S) * SAMPLE_RATE)
    sizes = step * rng.integers(*CHOP_STEPS, size=rng.integers(*CHOP_PIECES))
    pieces = [_cut(rng, voice, int(size)) for size in sizes]
    chopped = np.zeros_like(voice)
    start = 0
    while start < ITEM_SAMPLES:
        if rng.random() < CHOP_REST:
            start += step
            continue
        piece = pieces[rng.integers(len(pieces))]
        for _ in range(rng.integers(*CHOP_TIMES)):
            room = chopped[:, start : start + piece.shape[1]]
            room[...] = piece[:, : room.shape[1]]
            start += piece.shape[1]
    if rng.random() < WIDE_CHANCE:
        chopped = _double(rng, chopped)
    return _add_room(rng, chopped) if rng.random() < REVERB_CHANCE else chopped


def _cut(rng: np.random.Generator, voice: Audio, size: int) -> Audio:
    """Return a piece of a voice between hard edges, as it was or held."""
    size = min(size, ITEM_SAMPLES // 2)
    starts = rng.integers(ITEM_SAMPLES - size, size=4)
    start = max(starts, key=lambda s: rms(voice[:, s : s + size]))
    if rng.random() < HOLD_CHANCE:
        piece = _hold(rng, voice, int(start) + size // 2, size)
    else:
        piece = voice[:, start : start + size]
    fade = np.arange(1, size + 1) / (rng.uniform(*CHOP_FADE_S) * SAMPLE_RATE)
    return piece * np.minimum(np.minimum(fade, fade[::-1]), 1.0).astype(np.float32)


def _hold(rng: np.random.Generator, voice: Audio, place: int, size: int) -> Audio:
    """Let the sound at a place last, of overlapping grains: a loop of whole periods, or a cloud."""
    hop = int(rng.uniform(*HOLD_GRAIN_S) / 2 * SAMPLE_RATE)
    place = min(place, ITEM_SAMPLES - 4 * hop)
    rate = stray = 0.0
    if rng.random() < 0.5:
        period = _period(voice[:, place : place + 2 * hop].mean(axis=0))
        hop = period * max(1, round(hop / period))
    else:
        rate, stray = rng.uniform(0, HOLD_RATE), HOLD_STRAY_S * SAMPLE_RATE * rng.random()
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)).astype(np.float32) ** 2
    held = np.zeros((2, size + 2 * hop), np.float32)
    for start in range(0, size, hop):
        origin = int(place + rate * start + stray * rng.standard_normal())
        origin = min(max(origin, 0), ITEM_SAMPLES - 2 * hop)
        held[:, start : start + 2 * hop] += window * voice[:, origin : origin + 2 * hop]
    return held[:, hop : hop + size]


def _period(sound: Audio) -> int:
    """Return after how many samples a sound is most like itself, as far as a voice's pitch goes."""
    power = np.abs(np.fft.rfft(sound, 2 * sound.size)) ** 2
    first, last = (int(seconds * SAMPLE_RATE) for seconds in HOLD_PERIOD_S)
    return first + int(np.fft.irfft(power)[first:last].argmax())


def _add_room(rng: np.random.Generator, dry: Audio) -> Audio:
    """Add a made-up room: noise, different left and right, decaying 60 dB in 0.2 to 2 s."""
    seconds = rng.uniform(0.2, 2.0)
    time = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal((2, time.size), np.float32) * 10 ** (-3 * time / seconds)
    tail *= _gain(rng, (-22.0, -1.0)) / np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    wet = fftconvolve(dry, tail.astype(np.float32), axes=1)[:, : dry.shape[1]]
    return dry + wet.astype(np.float32)


def _gain(rng: np.random.Generator, decibels: tuple[float, float]) -> np.float32:
    return np.float32(10 ** (rng.uniform(*decibels) / 20))
