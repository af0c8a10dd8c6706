"""The mix bus: stems, the delayed original and microphones in; faders; one mix out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streamsep.dsp.crossfade import DryWetSwitch
from streamsep.dsp.decibels import db_to_gain, to_db
from streamsep.dsp.limiter import Limiter
from streamsep.dsp.mixer import RampedMixer
from streamsep.realtime.microphone_lane import (
    MIC,
    Microphone,
    MicrophoneLane,
    Tap,
    mic_name,
    mic_number,
)
from streamsep.separation import gains_for
from streamsep.stem_names import canonical_stem
from streamsep.types import Float32

# guide: what is heard of the vocals; beat: the song, guide included; master: song and microphones.
# Further microphones have faders and buses like the first one's.
FADERS = ("guide", "beat", MIC, "master")
# What a tap can listen to besides stems and the beat. All but the mix come before the faders: at
# gain one they are what the mix is the sum of.
OWN_BUSES = (MIC, "mix")
FADER_OF_STEM = {"vocals": "guide"}


class _StemTap(NamedTuple):
    """A tap and the stems, by their places, whose sum it hears."""

    parts: tuple[int, ...]
    tap: Tap


class MixBus:
    """Mixes block by block on the audio thread; faders move from any other, without clicks.

    ``mix = master · (beat · song + Σ mic · microphone)``, where the song is the chosen stems
    with ``guide`` of the vocals, or, bypassed, the delayed original. It is limited at full scale.

    Parameters
    ----------
    stems
        Names of the stems; the last one is the residual.
    channels, block_size
        Sizes C, N of a block.
    sample_rate
        In Hz.
    gains
        Linear gain of each stem in the song by name; stems not named are silent.
    microphones
        Read once a block.

    Attributes
    ----------
    dry
        (C, N): the delayed original of the present block is to be written here.
    limiter
        Of the mix.
    lanes
        Of the microphones; without one there is the silent one of the fader ``mic``.

    Raises
    ------
    ValueError
        For an unknown stem.
    """

    def __init__(
        self,
        stems: tuple[str, ...],
        channels: int,
        block_size: int,
        sample_rate: int,
        *,
        gains: Mapping[str, float],
        microphones: Sequence[Microphone] = (),
    ) -> None:
        if unknown := sorted(gains.keys() - set(stems)):
            raise ValueError(f"no stem {', '.join(unknown)} among {', '.join(stems)}")
        shape = (channels, block_size)
        # Where a block was missed, the residual falls back on the original, the rest on silence.
        self._fallback = np.zeros((len(stems), *shape), np.float32)
        self.dry = self._fallback[-1]
        self._switch = DryWetSwitch(self._fallback.shape)
        self._stems = stems
        self._vocals = stems.index("vocals") if "vocals" in stems else None
        self._song, self._sum, self._out, self._scratch = (
            np.zeros(shape, np.float32) for _ in range(4)
        )
        self.lanes = tuple(
            MicrophoneLane(mic_name(index), microphone, shape)
            for index, microphone in enumerate(microphones or (None,))
        )
        self.limiter = Limiter(channels, block_size, sample_rate)
        song = np.array([gains.get(name, 0.0) for name in stems], np.float32)
        self._song_mixer = RampedMixer(channels, block_size, song)
        mixed = np.array([1.0, 0.0, *(1.0 for _ in self.lanes)], np.float32)
        self._out_mixer = RampedMixer(channels, block_size, mixed)
        names = [*FADERS[:-1], *(lane.name for lane in self.lanes[1:]), FADERS[-1]]
        self._faders = dict.fromkeys(names, 0.0) | {"guide": to_db(gains.get("vocals", 0.0))}
        self._bypass = False
        # Replaced as a whole: the audio thread may be walking through the old ones.
        self._stem_taps: tuple[_StemTap, ...] = ()
        self._mix_taps: tuple[Tap, ...] = ()

    @property
    def mic_latency(self) -> int | None:
        """Samples from a voice to the mix, the latest one's; None without a microphone."""
        microphones = [lane.microphone for lane in self.lanes if lane.microphone is not None]
        return max((microphone.latency for microphone in microphones), default=None)

    @property
    def faders(self) -> dict[str, float]:
        """Each fader's position in decibels."""
        return dict(self._faders)

    @property
    def bypass(self) -> bool:
        """Whether the delayed original plays in place of the stems."""
        return self._bypass

    def set_gain(self, fader: str, gain_db: float) -> None:
        """Move a fader, or that of a stem (the guide is the vocals'), in decibels; ``-inf`` mutes.

        Raises
        ------
        ValueError
            For an unknown fader, NaN or +inf.
        """
        fader = canonical_stem(fader, FADERS)
        fader = FADER_OF_STEM.get(fader, fader)
        if number := mic_number(fader):
            fader = mic_name(number - 1)
        if fader not in self._faders:
            raise ValueError(f"no fader {fader} among {', '.join(self._faders)}")
        if not gain_db < math.inf:
            raise ValueError(f"a gain of {gain_db} dB can't be set")
        self._faders[fader] = gain_db
        if fader == "guide":
            if self._vocals is not None:
                self._song_mixer.set_gain(self._vocals, db_to_gain(gain_db))
        else:
            self._route()

    def set_bypass(self, bypass: bool) -> None:
        """Play the delayed original in the song's place."""
        self._bypass = bypass
        self._route()

    def _route(self) -> None:
        """Products of faders: what the mix holds of the song, the original and the microphone."""
        song, master = (db_to_gain(self._faders[name]) for name in ("beat", "master"))
        self._out_mixer.set_gain(0, 0.0 if self._bypass else song * master)
        self._out_mixer.set_gain(1, song * master if self._bypass else 0.0)
        for index, lane in enumerate(self.lanes, 2):
            self._out_mixer.set_gain(index, db_to_gain(self._faders[lane.name]) * master)

    def settle(self) -> None:
        """Have the faders at once where they are to be: before anything is heard."""
        self._song_mixer.settle()
        self._out_mixer.settle()

    def add_tap(self, bus: str, tap: Tap) -> None:
        """Let ``tap`` listen to a stem, the beat or one of OWN_BUSES from the next block on.

        Raises
        ------
        ModelError
            If there is no such stem.
        """
        number = mic_number(bus)
        if number is not None and number <= len(self.lanes):
            lane = self.lanes[number - 1]
            lane.taps = (*lane.taps, tap)
            return
        if bus == "mix":
            self._mix_taps = (*self._mix_taps, tap)
            return
        parts = tuple(self._stems.index(stem) for stem in gains_for(bus, self._stems))
        self._stem_taps = (*self._stem_taps, _StemTap(parts, tap))

    def process(self, stems: Float32 | None) -> Float32:
        """Mix one block.

        Parameters
        ----------
        stems
            (S, C, N), or None where they were missed; `dry` is heard instead.

        Returns
        -------
        Float32
            (C, N), overwritten by the next call.
        """
        stems = self._switch.choose(stems, self._fallback)
        self._song_mixer.mix(stems, self._song)
        voices = [lane.listen() for lane in self.lanes]
        self._out_mixer.mix((self._song, self.dry, *voices), self._out)
        self.limiter.process(self._out)
        for parts, tap in self._stem_taps:
            tap.push(self._sum_of(parts, stems))
        for lane, voice in zip(self.lanes, voices, strict=True):
            for tap in lane.taps:
                tap.push(voice)
        for tap in self._mix_taps:
            tap.push(self._out)
        return self._out

    def _sum_of(self, parts: tuple[int, ...], stems: Float32) -> Float32:
        if len(parts) == 1:
            only: Float32 = stems[parts[0]]
            return only
        self._sum.fill(0.0)
        for index in parts:
            np.add(self._sum, stems[index], out=self._sum)
        return self._sum
