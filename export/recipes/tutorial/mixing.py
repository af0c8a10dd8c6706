"""Random mixes: any voice over any accompaniment, so that the network can't learn songs by heart.

With a handful of songs, what a network meets later is always unheard. A voice that comes with
a different band, key, level and room each time has to be recognised as a voice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.augment.effects import add_reverb, change_speed, gain_to_level
from export.constants import EXCERPT_SAMPLES
from export.data.audio import SILENT_RMS, Audio, Folder, rms
from export.data.manifest import Track
from export.data.track_pools import (
    SONG,
    VOCAL_FREE,
    VOICE_ONLY,
    draw_item_kind,
    draw_track,
    pools,
    read_sounding_part,
    tracks_with,
)
from export.engine.rng import generator_at
from export.errors import DataError
from export.recipes.tutorial.excerpts import (
    ExcerptSampler,
    list_excerpts,
    mono_excerpt,
    pick_channel,
)

ITEM_SHARES = {SONG: 0.26, VOCAL_FREE: 0.10, VOICE_ONLY: 0.04}  # as of `draw_item_kind`

# Where voices and accompaniments come from; shares of what there is are scaled to sum to 1.
VOICE_SHARES = {"song": 0.30, "voice": 0.28, "sung": 0.22, "rendered": 0.06, "speech": 0.14}
ACCOMPANIMENT_SHARES = {"song": 0.25, "accompaniment": 0.55, "rendered": 0.20}

SECOND_VOICE_CHANCE = 0.15
REVERB_CHANCE = 0.5  # of solo voices: those of songs bring their own room
TAIL_DB = (-20.0, -4.0)
SPEED_CHANCE = 0.5
SPEED_OCTAVES = 0.25  # a quarter octave up or down, in pitch and tempo
VOICE_TO_REST_DB = (-10.0, 8.0)
LEVEL_DBFS = (-30.0, -10.0)  # of the mixture, from quiet recordings to loud masters


class RandomMixer:
    """Draws training pairs from a pool of tracks.

    Parameters
    ----------
    folder
        The prepared folder.
    tracks
        Tracks of one split.
    stems
        What to estimate, by the names of the tracks' files.
    seed
        With step and position it decides every draw.
    """

    def __init__(
        self, folder: Folder, tracks: Sequence[Track], stems: Sequence[str], seed: int
    ) -> None:
        self._folder, self._stems, self._seed = folder, stems, seed
        self._parts = [stem for stem in stems if stem != "vocals"]  # of an accompaniment
        known = tracks_with(tracks, stems)
        self._voices = pools(tracks, "vocals", VOICE_SHARES)
        self._rests = pools(known, "accompaniment", ACCOMPANIMENT_SHARES)
        if not self._voices:
            raise DataError(
                "no voice to mix",
                expected="at least one singer, speaker or song",
                remedy="prepare some, or train without --mix",
            )
        self._songs = list_excerpts([t for t in known if t.kind == "song"])

    def sample(self, step: int, position: int, batch_size: int = 0) -> tuple[Audio, Audio]:
        """Return the item of a batch place: a function of seed, step and position alone.

        Returns
        -------
        tuple of ndarray
            float32 mixture, (EXCERPT_SAMPLES,), whose RMS lies within ``LEVEL_DBFS``, and its stems
            in the order asked for, (S, EXCERPT_SAMPLES).
        """
        rng = generator_at(self._seed, step, position, 2)
        kind = draw_item_kind(rng, ITEM_SHARES, songs=bool(self._songs))
        if kind == SONG:
            excerpt = self._songs[rng.integers(len(self._songs))]
            return set_level(rng, *mono_excerpt(rng, self._folder, excerpt, self._stems))
        rest, parts = self._draw_rest(rng)
        voice = self._draw_voice(rng)
        if kind == VOCAL_FREE:
            voice = np.zeros_like(voice)
        elif kind == VOICE_ONLY:
            rest, parts = np.zeros_like(rest), dict.fromkeys(parts, np.zeros_like(rest))
        stems = np.stack([voice if stem == "vocals" else parts[stem] for stem in self._stems])
        return set_level(rng, voice + rest, stems)

    def _draw_rest(self, rng: np.random.Generator) -> tuple[Audio, dict[str, Audio]]:
        """Return an accompaniment and its parts by name, scaled to its unit level."""
        track = draw_track(rng, self._rests)
        rest, *parts = self._draw_part(rng, track, ["accompaniment", *self._parts])
        level = max(rms(rest), SILENT_RMS)
        return rest / level, {n: p / level for n, p in zip(self._parts, parts, strict=True)}

    def _draw_voice(self, rng: np.random.Generator) -> Audio:
        """Return a voice, sometimes two, at a random level against an accompaniment of 1."""
        voice = np.zeros(EXCERPT_SAMPLES, np.float32)
        for _ in range(2 if rng.random() < SECOND_VOICE_CHANCE else 1):
            track = draw_track(rng, self._voices)
            (one,) = self._draw_part(rng, track, ["vocals"])
            if track.kind != "song" and rng.random() < REVERB_CHANCE:
                one = add_reverb(rng, one, TAIL_DB)
            voice += one * gain_to_level(rng, one, VOICE_TO_REST_DB)
        return voice

    def _draw_part(
        self, rng: np.random.Generator, track: Track, names: Sequence[str]
    ) -> tuple[Audio, ...]:
        """Return one channel of the named files at a place where the first one sounds."""
        speed = 1.0
        if rng.random() < SPEED_CHANCE:
            speed = 2 ** rng.uniform(-SPEED_OCTAVES, SPEED_OCTAVES)
        length = int(EXCERPT_SAMPLES * speed) + 1 if speed != 1 else EXCERPT_SAMPLES
        parts = read_sounding_part(rng, self._folder, track, names, length)
        return tuple(change_speed(m, speed, EXCERPT_SAMPLES) for m in pick_channel(rng, *parts))


class FixedSet:
    """The same pairs each time, for validation: true excerpts, spread evenly, then mixes.

    Parameters
    ----------
    excerpts
        How many true excerpts, and how many mixes on top where ``mix`` is set.
    """

    def __init__(
        self,
        folder: Folder,
        tracks: Sequence[Track],
        stems: Sequence[str],
        seed: int,
        excerpts: int,
        mix: bool,
    ) -> None:
        self._songs = ExcerptSampler(folder, tracks, stems, seed)
        self._mixer = RandomMixer(folder, tracks, stems, seed) if mix else None
        self._excerpts = min(excerpts, len(self._songs))

    def __len__(self) -> int:
        """Pairs in the set."""
        return self._excerpts * (2 if self._mixer else 1)

    def __getitem__(self, index: int) -> tuple[Audio, Audio]:
        """Return mixture (EXCERPT_SAMPLES,) and stems (S, EXCERPT_SAMPLES), float32."""
        if self._mixer and index >= self._excerpts:
            return self._mixer.sample(0, index)
        return self._songs.sample(0, index, 1)


def set_level(rng: np.random.Generator, mixture: Audio, stems: Audio) -> tuple[Audio, Audio]:
    """Scale both so that the mixture's RMS is a random level within ``LEVEL_DBFS``."""
    gain = gain_to_level(rng, mixture, LEVEL_DBFS)
    return mixture * gain, stems * gain
