"""Stereo random mixes: a voice and a band that never met, drawn by seed, step and place.

A band comes with the stems in it that are to be told apart: an array (1 + parts, 2, samples), the
whole and then its parts. What is done to a band is done to all of them alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from export.augment.effects import (
    add_reverb,
    change_speed,
    double_voice,
    gain_to_level,
    pan,
    random_gain,
    silence_one_end,
)
from export.augment.sampler import chop
from export.constants import HOP_LENGTH
from export.data.audio import Audio, Folder
from export.data.manifest import Track
from export.data.track_pools import (
    SONG,
    VOCAL_FREE,
    VOICE_ONLY,
    MixShares,
    draw_item_kind,
    draw_track,
    pools,
    read_sounding_part,
    tracks_with,
)
from export.engine.draw import draw_items
from export.engine.rng import STEP_LENGTH, generator_at
from export.errors import DataError

ITEM_FRAMES = 130  # 3 s
ITEM_SAMPLES = ITEM_FRAMES * HOP_LENGTH
# Frames of a step's items, by chance: most steps are short, which makes three of one.
STEP_FRAMES = (44, 44, 44, ITEM_FRAMES)
PIECES = 2  # of each item that a short step takes: drawing one costs a tenth of learning from it

SHARES = MixShares(
    items={SONG: 0.28, VOCAL_FREE: 0.12, VOICE_ONLY: 0.06},
    songs={"song": 0.55, "rendered": 0.45},
    voices={"song": 0.25, "voice": 0.28, "sung": 0.25, "rendered": 0.08, "speech": 0.14},
    bands={"song": 0.22, "accompaniment": 0.58, "rendered": 0.20},
)

SECOND_VOICE_CHANCE = 0.20
SECOND_BAND_CHANCE = 0.30
ONE_STEM_CHANCE = 0.35  # of a band whose stems are known: drums or the rest without the other
WIDE_CHANCE = 0.2  # of a voice that is doubled, left and right
REVERB_CHANCE = 0.6  # of solo voices: those of songs bring their own room
PAUSE_CHANCE = 0.30  # of a voice, before or after which the band plays alone
BREAK_CHANCE = 0.08  # of a band, before or after which the voice stands alone
OVERDRIVE_CHANCE = 0.12
CHOP_CHANCE, CHOP_ALONE_CHANCE = 0.12, 0.4  # of a voice that is played by a sampler
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
    shares
        What items are, and what they are made of.

    Raises
    ------
    DataError
        If there is no voice, or no band with these stems.
    """

    def __init__(
        self,
        folder: Folder,
        tracks: Sequence[Track],
        seed: int,
        stems: Sequence[str] = ("vocals",),
        shares: MixShares = SHARES,
    ) -> None:
        self._folder, self._seed, self._stems = folder, seed, tuple(stems)
        self._shares = shares.items
        self._band_files = ["accompaniment", *(stem for stem in stems if stem != "vocals")]
        known = tracks_with(tracks, stems)
        self._voices = pools(tracks, "vocals", shares.voices)
        self._bands = pools(known, "accompaniment", shares.bands)
        self._songs = pools([t for t in known if "vocals" in t.files], "vocals", shares.songs)
        if not self._voices:
            raise DataError(
                "no voice to mix",
                expected="at least one singer, speaker or song",
                remedy="prepare some",
            )

    def sample(self, step: int, position: int) -> Audio:
        """Return the item of a batch place: a function of seed, step and position alone.

        Returns
        -------
        ndarray
            float32, (S + 1, 2, ITEM_SAMPLES): the stems in the order asked for, and what is in none
            of them; they sum to the mixture, whose RMS lies within ``LEVEL_DBFS``.
        """
        rng = generator_at(self._seed, step, position)
        kind = draw_item_kind(rng, self._shares, songs=bool(self._songs))
        if kind == SONG:
            voice, band = self._true_song(rng)
        else:
            band = self._band(rng)
            chop_chance = CHOP_ALONE_CHANCE if kind == VOICE_ONLY else CHOP_CHANCE
            voice = self._voice(rng, chop_chance) * random_gain(rng, VOICE_TO_BAND_DB)
            if kind == VOCAL_FREE:
                voice = np.zeros_like(voice)
            elif kind == VOICE_ONLY:
                band = np.zeros_like(band)
            else:
                if rng.random() < PAUSE_CHANCE:
                    voice = silence_one_end(rng, voice)
                if rng.random() < BREAK_CHANCE:
                    band = silence_one_end(rng, band)
        if rng.random() < MONO_CHANCE:
            voice, band = (
                np.broadcast_to(x.mean(axis=-2, keepdims=True), x.shape) for x in (voice, band)
            )
        if rng.random() < 0.5:
            voice, band = voice[::-1], band[:, ::-1]
        return self._apart(voice, band) * gain_to_level(rng, voice + band[0], LEVEL_DBFS)

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
            voice = _sing_on_stage(rng, voice, 0)
        return voice * random_gain(rng, (-6.0, 6.0)), np.stack(band)

    def _band(self, rng: np.random.Generator) -> Audio:
        band = np.zeros((len(self._band_files), 2, ITEM_SAMPLES), np.float32)
        for index in range(2 if rng.random() < SECOND_BAND_CHANCE else 1):
            track = draw_track(rng, self._bands)
            one = self._one_stem(rng, track) if rng.random() < ONE_STEM_CHANCE else None
            if one is None:
                one = self._part(rng, track, self._band_files, BAND_OCTAVES)
            band += one * gain_to_level(rng, one[0], (-9.0 * index, 0.0))
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
                one = _sing_on_stage(rng, one, index)
            elif rng.random() < WIDE_CHANCE:
                one = double_voice(rng, one)
            voice += one * gain_to_level(rng, one, (-9.0 * index, 0.0))
        if rng.random() < OVERDRIVE_CHANCE:
            drive = random_gain(rng, (-6.0, 12.0))
            voice = np.tanh(drive * voice) / drive
        return _widen(rng, chop(rng, voice)) if rng.random() < chop_chance else voice

    def _part(
        self, rng: np.random.Generator, track: Track, names: Sequence[str], octaves: float
    ) -> Audio:
        """Read a place where the first file sounds, sometimes at another speed: (names, 2, N)."""
        speed = 2 ** rng.uniform(-octaves, octaves) if rng.random() < SPEED_CHANCE else 1.0
        length = int(ITEM_SAMPLES * speed) + 1
        parts = read_sounding_part(rng, self._folder, track, names, length)
        return np.stack([change_speed(part, speed, ITEM_SAMPLES) for part in parts])


def draw_batch(mixer: StereoMixer, seed: int, step: int, places: range) -> Tensor:
    """Return some items of a step, long or short ones, float32 (places, S + 1, 2, samples)."""
    rng = generator_at(seed, step, STEP_LENGTH)
    count = int(rng.choice(STEP_FRAMES)) * HOP_LENGTH
    if count == ITEM_SAMPLES:
        return draw_items(mixer, step, places)
    between = ITEM_SAMPLES // PIECES
    first = int(rng.integers(between - count + 1))
    drawn = -(-places.stop // PIECES)  # the first pieces of all of them, then the second ones
    numbers = sorted({place % drawn for place in places})
    items = dict(zip(numbers, draw_items(mixer, step, numbers), strict=True))
    starts = [first + place // drawn * between for place in places]
    return torch.stack(
        [
            items[place % drawn][..., start : start + count]
            for place, start in zip(places, starts, strict=True)
        ]
    )


def _sing_on_stage(rng: np.random.Generator, voice: Audio, index: int) -> Audio:
    """Put a solo voice on a stage, sometimes doubled, sometimes in a room.

    Leads stand in the middle, second voices anywhere.
    """
    return _widen(rng, pan(rng, voice, 0.15 if index == 0 else 0.8))


def _widen(rng: np.random.Generator, voice: Audio) -> Audio:
    if rng.random() < WIDE_CHANCE:
        voice = double_voice(rng, voice)
    return add_reverb(rng, voice) if rng.random() < REVERB_CHANCE else voice
