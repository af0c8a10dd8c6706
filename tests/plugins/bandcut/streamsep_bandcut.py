"""Voice, sides and the rest by two textbook means: a band-pass, and what left and right share."""

import numpy as np

from streamsep import SeparatorSpec
from streamsep.separation import Separator, SeparatorOptions

SAMPLE_RATE = 44_100
BAND_HZ = (200.0, 6_000.0)
TAPS = 513


def create(options: SeparatorOptions) -> Separator:
    """What the entry point names: a separator of its own for whoever asks."""
    return BandCut(block_size=4_096 if options.offline else 256)


class BandCut:
    """Takes the middle between 200 Hz and 6 kHz for the voice."""

    stems = ("vocals", "sides", "rest")
    delay = TAPS // 2  # a symmetric filter's answer comes half its length late
    provider = "CPU"

    def __init__(self, block_size):
        self.spec = SeparatorSpec("band-cut", SAMPLE_RATE, channels=2)
        self.block_size = block_size
        self._band_pass = band_pass()
        self._heard = np.zeros((2, TAPS - 1 + block_size), np.float32)

    def process(self, block, out):
        """Separate (2, N) into ``out`` (3, 2, N), the input of `delay` samples ago."""
        size = self.block_size
        self._heard[:, :-size] = self._heard[:, size:]
        self._heard[:, -size:] = block
        delayed = self._heard[:, self.delay : self.delay + size]
        out[0] = np.convolve(self._heard.mean(axis=0), self._band_pass, mode="valid")
        out[1] = (delayed - delayed[::-1]) / 2
        out[2] = delayed - out[0] - out[1]  # so the stems sum to the input

    def reset(self):
        """Forget what was heard."""
        self._heard.fill(0.0)


def band_pass():
    """Return a windowed sinc, (TAPS,) float32."""
    time = (np.arange(TAPS) - TAPS // 2) / SAMPLE_RATE
    low, high = (2 * f / SAMPLE_RATE * np.sinc(2 * f * time) for f in BAND_HZ)
    return ((high - low) * np.hamming(TAPS)).astype(np.float32)
