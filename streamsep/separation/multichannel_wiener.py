"""Voice and beat told apart by where they come from: a multichannel Wiener filter behind masks.

A mask gives each channel of a bin its share and leaves the directions as they are. But over some
seconds the masks themselves tell how the voice spreads over left and right in a bin, and how the
beat does: their spatial covariances R. With the powers v that the masks give to a frame, the
voice's spectra are then v R (v R + v' R')⁻¹ x of the mixture's x (Duong, Vincent and Gribonval
2010, "Under-determined reverberant audio source separation using a full-rank spatial covariance
model", eq. 15). R is learnt from bins that one of both fills: a mask counts by its fourth power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.resumable import Resumable
from streamsep.types import Float32

Complex64 = NDArray[np.complex64]

CHANNELS = 2
# What is forgotten to 1/e: a song's mix stays as it is. With 5 s the beat is 0.03 dB worse, with
# 60 s no better.
MEMORY_S = 20.0
LEARNT_FRAMES = 4  # one in so many: neighbours tell the same
# Of a covariance whose mean power is 1: that much comes from everywhere. Less gains nothing and
# would magnify what fits neither source.
DIFFUSE = np.float32(1e-2)
SILENCE = np.float32(1e-9)  # power of a bin of which nothing is known
ONE = np.float32(1.0)


@dataclass(frozen=True)
class Directions(Resumable):
    """Spatial covariances of a stem and of the rest, (2, …), of mean power 1.

    Attributes
    ----------
    power
        (2, 2, B), of left and right.
    cross
        (2, B), left times conjugated right.
    """

    _kept: ClassVar[tuple[str, ...]] = ("power", "cross")
    power: Float32
    cross: Complex64

    @staticmethod
    def unknown(bins: int) -> Directions:
        """Return those of sound that comes from everywhere."""
        return Directions(
            np.ones((2, CHANNELS, bins), np.float32), np.zeros((2, bins), np.complex64)
        )

    def copy_to(self, other: Directions) -> None:
        """Write these over others."""
        np.copyto(other.power, self.power)
        np.copyto(other.cross, self.cross)


def scale(spectra: Complex64, factor: Float32, out: Complex64) -> None:
    """Multiply by as many real numbers. (What is broadcast, numpy copies to buffers first.)"""
    np.multiply(spectra.real, factor, out=out.real)
    np.multiply(spectra.imag, factor, out=out.imag)


def twice(levels: Float32, out: Float32) -> None:
    """Write real numbers (B,) to (B, 2), for both parts of complex ones."""
    np.copyto(out[:, 0], levels)
    np.copyto(out[:, 1], levels)


def planes(spectra: Complex64) -> Float32:
    """Return a view with real and imaginary part as the last axis."""
    view: Float32 = spectra.view(np.float32).reshape(*spectra.shape, 2)
    return view


class SpatialCovariance(Resumable):
    """How a stem and the rest spread over left and right lately, bin by bin.

    Nothing is allocated but here.

    Parameters
    ----------
    bins
        B.
    frame_s
        From one frame that is taken in to the next, in seconds.
    """

    _kept: ClassVar[tuple[str, ...]] = ("_power", "_cross")

    def __init__(self, bins: int, frame_s: float) -> None:
        self._keeping = np.float32(math.exp(-frame_s / MEMORY_S))
        self._power = np.zeros((2, CHANNELS, bins), np.float32)
        self._cross = np.zeros((2, bins), np.complex64)
        self._share = np.zeros((CHANNELS, bins), np.float32)
        self._sure = np.zeros((CHANNELS, bins), np.complex64)
        self._squares = np.zeros((CHANNELS, bins, 2), np.float32)

    def update(self, spectrum: Complex64, mask: Float32) -> None:
        """Take in a frame, (2, B): the mixture's spectrum, and the stem's mask."""
        share, sure = self._share, self._sure
        np.multiply(self._power, self._keeping, out=self._power)
        np.multiply(planes(self._cross), self._keeping, out=planes(self._cross))
        for source in range(2):
            if source:
                np.subtract(ONE, mask, out=share)
            else:
                np.copyto(share, mask)
            np.multiply(share, share, out=share)
            scale(spectrum, share, out=sure)
            np.multiply(planes(sure), planes(sure), out=self._squares)
            np.add(self._squares[..., 0], self._squares[..., 1], out=share)
            np.add(self._power[source], share, out=self._power[source])
            np.conjugate(sure[1], out=sure[1])
            np.multiply(sure[0], sure[1], out=sure[0])
            np.add(self._cross[source], sure[0], out=self._cross[source])

    def directions(self, out: Directions) -> None:
        """Write what is known, for these bins or for a transform half as long."""
        power, cross = out.power, out.cross
        if power.shape == self._power.shape:
            np.copyto(power, self._power)
            np.copyto(cross, self._cross)
        else:  # a bin and half of both its neighbours
            for mine, its in ((self._power, power), (self._cross, cross)):
                np.add(mine[..., 1:-3:2], mine[..., 3:-1:2], out=its[..., 1:-1])
                np.multiply(its, np.float32(0.5), out=its)
                np.add(its[..., 1:-1], mine[..., 2:-2:2], out=its[..., 1:-1])
                its[..., 0], its[..., -1] = mine[..., 0], mine[..., -1]
        mean = self._share[:, : power.shape[-1]]
        np.add(power[:, 0], power[:, 1], out=mean)
        np.multiply(mean, np.float32(0.5), out=mean)
        np.add(mean, SILENCE, out=mean)
        np.add(power, SILENCE, out=power)
        for channel in range(CHANNELS):
            np.divide(power[:, channel], mean, out=power[:, channel])
        np.add(power, DIFFUSE, out=power)
        np.divide(cross.real, mean, out=cross.real)
        np.divide(cross.imag, mean, out=cross.imag)

    def reset(self) -> None:
        """Start anew."""
        self._power.fill(0.0)
        self._cross.fill(0.0)


class MultichannelWienerFilter:
    """Makes a stem's spectrum of the mixture's and the stem's mask.

    v R (v R + v' R')⁻¹ x is s (s x + u adj(G) x) / (s² + s u tr G + u² det G), with G = R' R⁻¹ and
    the shares s and u of v and v' in their sum: what depends on R alone is computed once for many
    frames. Nothing is allocated but here.

    Parameters
    ----------
    bins
        B.
    """

    def __init__(self, bins: int) -> None:
        # adj(G) by what meets a channel itself, and what the other one.
        self._own, self._other = (np.zeros((CHANNELS, bins), np.complex64) for _ in range(2))
        # Real numbers stand twice, as complex ones have two parts, so that rows are multiplied at
        # once; a view that is made anew takes memory for a moment, so that rows have names.
        self._trace, self._determinant = (np.zeros((bins, 2), np.float32) for _ in range(2))
        self._stem, self._rest = (np.zeros((bins, 2), np.float32) for _ in range(2))
        self._square, self._gain = (np.zeros((bins, 2), np.float32) for _ in range(2))
        self._power, self._levels = (np.zeros((CHANNELS, bins), np.float32) for _ in range(2))
        self._shares = np.zeros((CHANNELS, bins), np.float32)
        self._level, self._sum = np.zeros(bins, np.float32), np.zeros(bins, np.float32)
        self._product = np.zeros((CHANNELS, bins), np.complex64)
        self._term, self._cross = (np.zeros(bins, np.complex64) for _ in range(2))
        self.steer(Directions.unknown(bins))

    def steer(self, directions: Directions) -> None:
        """Go by these directions from now on; they may change without any effect until then."""
        (left, right), (rest_left, rest_right) = directions.power
        cross, rest_cross = directions.cross
        conjugated, term, one, other = self._cross, self._term, self._level, self._sum
        (g22, g11), (g12, g21) = self._own, self._other  # of adj(G): -g12, -g21
        # R' R⁻¹, where R⁻¹ is ((d, -b), (-b*, a)) over its determinant.
        np.conjugate(cross, out=conjugated)
        np.multiply(rest_cross, conjugated, out=g11)
        np.negative(g11, out=g11)
        np.conjugate(g11, out=g22)
        np.multiply(rest_left, right, out=one)
        np.add(g11.real, one, out=g11.real)
        np.multiply(rest_right, left, out=one)
        np.add(g22.real, one, out=g22.real)
        scale(cross, rest_left, out=g12)
        scale(rest_cross, left, out=term)
        np.subtract(g12, term, out=g12)
        scale(conjugated, rest_right, out=g21)
        np.conjugate(rest_cross, out=conjugated)
        scale(conjugated, right, out=term)
        np.subtract(g21, term, out=g21)
        np.multiply(left, right, out=one)
        self._take_square(cross, one)
        np.multiply(rest_left, rest_right, out=other)
        self._take_square(rest_cross, other)
        np.divide(other, one, out=other)
        twice(other, out=self._determinant)
        for row in (g11, g22, g12, g21):
            np.divide(row.real, one, out=row.real)
            np.divide(row.imag, one, out=row.imag)
        np.add(g11.real, g22.real, out=one)
        twice(one, out=self._trace)

    def _take_square(self, spectrum: Complex64, level: Float32) -> None:
        np.multiply(planes(spectrum), planes(spectrum), out=self._square)
        np.subtract(level, self._square[:, 0], out=level)
        np.subtract(level, self._square[:, 1], out=level)

    def apply(self, spectrum: Complex64, mask: Float32, out: Complex64) -> None:
        """Write the stem's spectrum to ``out``, all (2, B); no channel is louder than it was."""
        levels, shares, level = self._levels, self._shares, self._level
        stem, rest, square, gain = self._stem, self._rest, self._square, self._gain
        product, mixture, made = self._product, planes(spectrum), planes(out)
        np.abs(spectrum, out=levels)
        np.multiply(levels, levels, out=self._power)
        np.multiply(self._power, mask, out=shares)
        np.add(shares[0], shares[1], out=level)
        np.add(self._power[0], self._power[1], out=self._sum)
        np.maximum(self._sum, SILENCE, out=self._sum)
        np.divide(level, self._sum, out=level)
        twice(level, out=stem)
        np.subtract(ONE, stem, out=rest)
        # s² + s u tr G + u² det G, as s (s + u tr G) + u² det G.
        np.multiply(rest, self._trace, out=gain)
        np.add(gain, stem, out=gain)
        np.multiply(gain, stem, out=gain)
        np.multiply(rest, rest, out=square)
        np.multiply(square, self._determinant, out=square)
        np.add(gain, square, out=gain)
        np.divide(stem, gain, out=gain)
        np.multiply(stem, gain, out=stem)
        np.multiply(rest, gain, out=rest)
        for channel in range(CHANNELS):
            row, term = product[channel], self._term
            np.multiply(spectrum[channel], self._own[channel], out=row)
            np.multiply(spectrum[1 - channel], self._other[channel], out=term)
            np.add(planes(row), planes(term), out=square)
            np.multiply(square, rest, out=square)
            np.multiply(mixture[channel], stem, out=made[channel])
            np.add(made[channel], square, out=made[channel])
        np.abs(out, out=shares)
        np.maximum(shares, levels, out=shares)
        np.maximum(shares, SILENCE, out=shares)
        np.divide(levels, shares, out=levels)
        for channel in range(CHANNELS):
            twice(levels[channel], out=gain)
            np.multiply(made[channel], gain, out=made[channel])


class SelfSteeredFilter(Resumable):
    """The same for runs of frames, which learns directions from the masks that it is given.

    Parameters
    ----------
    bins
        B.
    hop_s
        From frame to frame, in seconds.
    """

    _kept: ClassVar[tuple[str, ...]] = ("_covariance",)

    def __init__(self, bins: int, hop_s: float) -> None:
        self._filter, self._directions = MultichannelWienerFilter(bins), Directions.unknown(bins)
        self._covariance = SpatialCovariance(bins, LEARNT_FRAMES * hop_s)

    def learn(self, spectra: Complex64, masks: Float32) -> None:
        """Take in the frames of a run, both (T, 2, B): `apply` goes by them from now on."""
        for spectrum, mask in zip(spectra[::LEARNT_FRAMES], masks[::LEARNT_FRAMES], strict=True):
            self._covariance.update(spectrum, mask)
        self._covariance.directions(self._directions)
        self._filter.steer(self._directions)

    def apply(self, spectra: Complex64, masks: Float32, out: Complex64) -> None:
        """Write the stem's frames to ``out``, all (T, 2, B)."""
        for spectrum, mask, stem in zip(spectra, masks, out, strict=True):
            self._filter.apply(spectrum, mask, stem)

    def reset(self) -> None:
        """Start anew."""
        self._covariance.reset()
