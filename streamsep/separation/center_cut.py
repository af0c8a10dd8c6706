"""The mixer's way: what stands in the middle above the bass is taken for the voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamsep.errors import BackendError
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32

if TYPE_CHECKING:
    from streamsep.separation.separator import SeparatorOptions


CROSSOVER_HZ = 120.0
TAPS = 1_024
DESIGN_SIZE = 16_384
LIVE_BLOCK, OFFLINE_BLOCK = 64, 4_096  # soon, or in few calls


def high_pass(sample_rate: int, cutoff_hz: float = CROSSOVER_HZ, taps: int = TAPS) -> Float32:
    """Return a minimum-phase high-pass: no energy before its time, so no delay to make up for.

    A Butterworth magnitude of order 4, turned into minimum phase through the real cepstrum
    (Oppenheim and Schafer, Discrete-Time Signal Processing, section 12.3).

    Returns
    -------
    (taps,) float32
    """
    frequency = np.fft.rfftfreq(DESIGN_SIZE, 1.0 / sample_rate)
    with np.errstate(divide="ignore"):
        magnitude = 1.0 / np.sqrt(1.0 + (cutoff_hz / frequency) ** 8)
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, 1e-6)))
    fold = np.zeros(DESIGN_SIZE)
    fold[0] = fold[DESIGN_SIZE // 2] = 1.0
    fold[1 : DESIGN_SIZE // 2] = 2.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum * fold)))
    filter_taps: Float32 = response[:taps].astype(np.float32)
    return filter_taps


class CenterCut:
    """A Separator without a model: vocals are the high-passed middle, the beat is the rest.

    Parameters
    ----------
    sample_rate
        In Hz.
    block_size
        Samples per call.
    """

    delay = slack = 0
    stems = ("vocals", "beat")
    provider = "CPU"

    def __init__(self, *, sample_rate: int = 44_100, block_size: int = 512) -> None:
        self.spec = SeparatorSpec("center-cut", sample_rate, channels=2)
        self.block_size = block_size
        self._taps = high_pass(sample_rate)
        self._past = np.zeros(len(self._taps) - 1 + block_size, np.float32)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate (2, N) into (2, 2, N); see `Separator.process`."""
        size = self.block_size
        self._past[:-size] = self._past[size:]
        np.add(block[0], block[1], out=self._past[-size:])
        self._past[-size:] *= 0.5
        out[0] = np.convolve(self._past, self._taps, mode="valid")
        np.subtract(block, out[0], out=out[1])

    def reset(self) -> None:
        """Forget the past."""
        self._past.fill(0.0)


def create(options: SeparatorOptions) -> CenterCut:
    """Return the separator of the name ``center-cut``; see `SeparatorFactory`.

    Raises
    ------
    BackendError
        If ``options`` insist on CUDA.
    """
    if options.device == "cuda":
        raise BackendError(
            "CUDA was asked for, and center-cut has no use for it",
            expected="the device auto or cpu",
            remedy="ask for one of these, or choose another model",
            settings=("device", "model"),
        )
    return CenterCut(block_size=OFFLINE_BLOCK if options.offline else LIVE_BLOCK)
