"""Checks of sound that a caller hands in: what was wrong, and what was expected in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamsep.errors import ArgumentError
from streamsep.spec import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, SeparatorSpec
from streamsep.types import Float32

FULL_SCALE = {"int8": 128, "int16": 32_768, "int32": 2_147_483_648}


def check_sample_rate(sample_rate: float) -> int:
    """Return a sample rate in Hz as an integer.

    Raises
    ------
    ArgumentError
        If it is no whole number, or none that sound has.
    """
    if (
        isinstance(sample_rate, bool)
        or not isinstance(sample_rate, int | float | np.integer | np.floating)
        or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE
        or sample_rate != int(sample_rate)
    ):
        raise ArgumentError(
            f"the sample rate is {sample_rate!r}",
            expected=f"a whole number of Hz, {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}",
            remedy="pass the rate of the sound itself: any such rate is converted",
        )
    return int(sample_rate)


def check_channels(channels: int, spec: SeparatorSpec) -> int:
    """Return a number of channels that a model can take.

    Raises
    ------
    ArgumentError
        If it is neither 1 nor the model's own.
    """
    if isinstance(channels, bool) or channels not in (1, spec.channels):
        raise ArgumentError(
            f"the number of channels is {channels!r}",
            expected=_channels_of(spec),
            remedy="mix the sound down to one of these first, so that you choose how",
        )
    return int(channels)


def check_sound(
    sound: ArrayLike, spec: SeparatorSpec, *, channels: int | None = None, what: str = "the sound"
) -> Float32:
    """Return sound as (C, N) float32; the array itself where it is that already.

    Parameters
    ----------
    sound
        (C, N), or (N,) for one channel, float32 or float64, full scale ±1.
    spec
        Of the model, whose channels C may be, or 1.
    channels
        What C has to be, if that is settled; N may be 0 then.
    what
        What to call it.

    Raises
    ------
    ArgumentError
        For any other shape or type, NaN, Inf, or no samples.
    """
    array = np.asarray(sound)
    wanted = f"(C, N) with {_channels_of(spec) if channels is None else f'C = {channels}'}"
    expected = f"{wanted}, channels first, or (N,) for mono, float32 or float64"
    if array.dtype.name not in ("float32", "float64"):
        scale = FULL_SCALE.get(array.dtype.name)
        raise ArgumentError(
            f"{what} is an array of {array.dtype}",
            expected="float32 or float64, full scale ±1",
            remedy=f"divide it by {scale}" if scale else "convert it first",
        )
    if array.ndim not in (1, 2):
        raise ArgumentError(
            f"{what} has the shape {array.shape}",
            expected=expected,
            remedy="pass one sound at a time",
        )
    array = np.atleast_2d(array)
    if len(array) not in ((1, spec.channels) if channels is None else (channels,)):
        interleaved = array.shape[0] > MAX_CHANNELS >= array.shape[1] > 0
        raise ArgumentError(
            f"{what} has the shape {np.shape(sound)}, which is {len(array)} channels of "
            f"{array.shape[1]} samples",
            expected=expected,
            remedy="if these are frames of interleaved channels, pass its transpose, array.T"
            if interleaved
            else "mix it down to that many channels first, so that you choose how",
        )
    if not array.size and channels is None:
        raise ArgumentError(
            f"{what} has the shape {np.shape(sound)}: no samples",
            expected=expected,
            remedy="check where it came from",
        )
    with np.errstate(over="ignore"):  # what float32 can't hold becomes Inf, and is found
        array = array.astype(np.float32, copy=False)
    _check_finite(array, what)
    return array


def _check_finite(array: Float32, what: str) -> None:
    finite = np.isfinite(array).all(axis=0)
    if not finite.all():
        raise ArgumentError(
            f"{what} holds NaN or Inf at sample {int(np.argmin(finite))}",
            expected="finite samples, full scale ±1",
            remedy="replace them, e.g. with numpy.nan_to_num, or find out where they come from",
        )


def _channels_of(spec: SeparatorSpec) -> str:
    own = f"{spec.channels} channels"
    return "1 channel" if spec.channels == 1 else f"1 or {own}"
