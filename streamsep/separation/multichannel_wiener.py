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

    Nothing is allocated but here.

    Parameters
    ----------
    bins
        B.

    Attributes
    ----------
    directions
        Where the stem and the rest come from, to be kept up to date.
    """

    def __init__(self, bins: int) -> None:
        self.directions = Directions.unknown(bins)
        self._powers, self._both = (np.zeros((2, CHANNELS, bins), np.float32) for _ in range(2))
        self._squares = np.zeros((CHANNELS, bins, 2), np.float32)
        self._levels = np.zeros((CHANNELS, bins), np.float32)
        self._inverted = np.zeros((CHANNELS, bins), np.complex64)
        self._cross, self._term = (np.zeros((2, bins), np.complex64) for _ in range(2))
        # Rows have names that stay: each view that is made anew takes memory for a moment.
        (self._stem, self._rest), (self._left, self._right) = self._both
        self._determinant, self._square = self._levels
        self._between = self._cross[0]

    def apply(self, spectrum: Complex64, mask: Float32, out: Complex64) -> None:
        """Write the stem's spectrum to ``out``, all (2, B); no channel is louder than it was."""
        powers, both, term = self._powers, self._both, self._term
        stem, rest = self._stem, self._rest
        np.multiply(planes(spectrum), planes(spectrum), out=self._squares)
        np.add(self._squares[..., 0], self._squares[..., 1], out=powers[1])
        np.multiply(powers[1], mask, out=powers[0])
        np.add(powers[:, 0], powers[:, 1], out=both[0])  # v, and of the mixture
        np.subtract(rest, stem, out=rest)
        np.maximum(rest, SILENCE, out=rest)
        # v R + v' R', whose inverse is ((d, -b), (-b*, a)) over its determinant.
        power, cross = self.directions.power, self.directions.cross
        for channel in range(CHANNELS):
            np.multiply(power[:, channel], both[0], out=powers[:, channel])
        scale(cross, both[0], out=self._cross)
        np.add(powers[0], powers[1], out=both[1])
        b, determinant = self._between, self._determinant
        np.add(b, self._cross[1], out=b)
        np.multiply(self._left, self._right, out=determinant)
        np.multiply(planes(b), planes(b), out=self._squares[0])
        np.add(self._squares[0, :, 0], self._squares[0, :, 1], out=self._square)
        np.subtract(determinant, self._square, out=determinant)
        np.divide(stem, determinant, out=stem)
        z = self._inverted
        np.multiply(spectrum[1], b, out=term[0])
        np.conjugate(b, out=b)
        np.multiply(spectrum[0], b, out=term[1])
        scale(spectrum[0], self._right, out=z[0])
        scale(spectrum[1], self._left, out=z[1])
        np.subtract(z, term, out=z)
        for row in z:
            scale(row, stem, out=row)
        # R of that.
        np.multiply(z[1], cross[0], out=term[0])
        np.conjugate(cross[0], out=b)
        np.multiply(z[0], b, out=term[1])
        scale(z, power[0], out=out)
        np.add(out, term, out=out)
        np.abs(spectrum, out=self._levels)
        np.abs(out, out=powers[0])
        np.maximum(powers[0], self._levels, out=powers[0])
        np.maximum(powers[0], SILENCE, out=powers[0])
        np.divide(self._levels, powers[0], out=self._levels)
        scale(out, self._levels, out=out)


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
        self._filter = MultichannelWienerFilter(bins)
        self._covariance = SpatialCovariance(bins, LEARNT_FRAMES * hop_s)

    def apply(self, spectra: Complex64, masks: Float32, out: Complex64) -> None:
        """Learn from the frames of a run, and write the stem's to ``out``, all (T, 2, B)."""
        for spectrum, mask in zip(spectra[::LEARNT_FRAMES], masks[::LEARNT_FRAMES], strict=True):
            self._covariance.update(spectrum, mask)
        self._covariance.directions(self._filter.directions)
        for spectrum, mask, stem in zip(spectra, masks, out, strict=True):
            self._filter.apply(spectrum, mask, stem)

    def reset(self) -> None:
        """Start anew."""
        self._covariance.reset()
