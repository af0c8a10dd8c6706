"""What the mix bus does with one microphone: reads it, cleans it, meters it, lets taps hear it."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np

from streamsep.dsp.sanitize import Sanitizer
from streamsep.types import Float32

MIC = "mic"
_NUMBERED = re.compile(r"mic ?([1-9]\d{0,2})")


class Tap(Protocol):
    """Something that listens to a bus, such as a recorder."""

    def push(self, block: Float32) -> None:
        """Take (C, N) on the audio thread: no waiting, no I/O. The array is reused."""


class Microphone(Protocol):
    """A source of its own that never goes through the model."""

    @property
    def latency(self) -> int:
        """Samples from the voice to `read`."""

    def read(self, out: Float32) -> int:
        """Fill (n, C), with silence where there is nothing; return how many samples were lost."""


def mic_name(index: int) -> str:
    """Return the name of a microphone's fader and bus: ``mic``, ``mic 2``, ``mic 3``…"""
    return MIC if index == 0 else f"{MIC} {index + 1}"


def mic_number(name: str) -> int | None:
    """Return which microphone a name means, from 1, also ``mic1`` and ``mic2``; None for none."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else 1 if name == MIC else None


class MicrophoneLane:
    """One microphone of a mix bus.

    Parameters
    ----------
    name
        See `mic_name`.
    microphone
        Read once a block; None gives silence.
    shape
        (C, N) of a block.

    Attributes
    ----------
    lost, bad
        Blocks in which it lost samples, and its samples that were NaN, Inf or absurd.
    taps
        Hear it before its fader.
    """

    def __init__(self, name: str, microphone: Microphone | None, shape: tuple[int, int]) -> None:
        self.name, self.microphone = name, microphone
        self._sound, self._scratch, self._silence = (np.zeros(shape, np.float32) for _ in range(3))
        self._sanitizer = Sanitizer(shape)
        self.lost = self.bad = 0
        self._peak = 0.0
        self.taps: tuple[Tap, ...] = ()

    def listen(self) -> Float32:
        """Return the next block (C, N), overwritten by the next call."""
        if self.microphone is None:
            return self._silence
        self.lost += self.microphone.read(self._sound.T) != 0
        self.bad += self._sanitizer.clean(self._sound)
        np.abs(self._sound, out=self._scratch)
        self._peak = max(self._peak, float(self._scratch.max()))
        return self._sound

    def take_peak(self) -> float:
        """Return the peak since the last call."""
        peak, self._peak = self._peak, 0.0
        return peak
