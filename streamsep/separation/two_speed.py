"""An engine of two speeds: a network that answers every hop, told what a slow one thought lately.

The slow one, the *prior*, looks at the newest window every few hops on a thread of its own. Its
newest mask is a part of the features until the next one is there. When it comes changes what is
heard, never the latency, nor that stems sum to the mixture.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from streamsep.dsp.stft import StreamingSTFT
from streamsep.errors import ModelError
from streamsep.separation.backend import Backend
from streamsep.separation.stateful import StatefulSeparator
from streamsep.spec import PRIOR_LOGITS, ModelSpec
from streamsep.types import Float32

LEAST = np.float32(1 / (1 + np.exp(PRIOR_LOGITS)))  # the mask of the lowest logit
# Of neighbouring bins of a transform twice as long, for one bin.
OUTER, INNER = np.float32(0.25), np.float32(0.5)


class MaskPrior:
    """The newest mask of a sliding model, run beside the sound.

    Parameters
    ----------
    backend
        A model of masks over magnitudes, with a transform twice as long as the follower's.
    stride
        Hops from run to run; more pass while a run takes longer.
    first
        Hops that pass before the first run.
    wait
        Have each mask ready by the hop after its run began, however long that takes: the same
        masks every time. Else the sound doesn't wait.

    Attributes
    ----------
    masks
        (C, B) of the follower's bins: the newest ones, zeros before the first.
    planes
        (C, B) of the follower's features: logits over `PRIOR_LOGITS`, zeros before the first mask.
    """

    def __init__(self, backend: Backend, stride: int, *, wait: bool, first: int = 0) -> None:
        spec = backend.spec
        self.spec, self.provider, self._backend = spec, backend.provider, backend
        self._stride, self._wait, self._first = stride, wait, first
        self._stft = StreamingSTFT(
            spec.n_fft, spec.hop_length, spec.channels, window=spec.window, frames=1
        )
        self._spectrum = np.zeros((1, spec.channels, spec.bins), np.complex64)
        # Newest frame last; twice as long as a window, so that frames move only now and then.
        length = spec.frames_per_run
        self._magnitudes = np.zeros((2 * length, spec.channels, spec.bins), np.float32)
        self._end = length
        self._mask = np.zeros((spec.channels, spec.bins), np.float32)
        self._thread = ThreadPoolExecutor(1, "streamsep-prior")
        self._under_way: Future[None] | None = None
        self._since = stride - 1 - first
        self.masks: Float32 = np.zeros((spec.channels, spec.n_fft // 4 + 1), np.float32)
        self.planes: Float32 = np.zeros_like(self.masks)

    def hear(self, block: Float32) -> None:
        """Take in the next hop, (C, hop_length), and see to it that masks are made."""
        self.collect()
        self._stft.analyse(block, self._spectrum)
        if self._end == len(self._magnitudes):
            half = len(self._magnitudes) // 2
            self._magnitudes[:half] = self._magnitudes[half:]
            self._end = half
        np.abs(self._spectrum[0], out=self._magnitudes[self._end])
        self._end += 1
        self._since += 1
        if self._under_way is None and self._since >= self._stride:
            window = self._magnitudes[self._end - self.spec.frames_per_run : self._end]
            self._backend.features[...] = window.transpose(1, 2, 0)
            self._under_way = self._thread.submit(self._run)
            self._since = 0

    def _run(self) -> None:
        self._backend.run()
        np.copyto(self._mask, self._backend.estimate[0, :, :, -1])

    def collect(self) -> None:
        """Take over a mask that is there, or wait for it if so told.

        Raises
        ------
        BackendError
            If its run failed.
        """
        if self._under_way is None or not (self._wait or self._under_way.done()):
            return
        under_way, self._under_way = self._under_way, None
        under_way.result()
        mask, half = self._mask, self.masks
        half[:, 1:-1] = INNER * mask[:, 2:-2:2] + OUTER * (mask[:, 1:-3:2] + mask[:, 3:-1:2])
        half[:, 0], half[:, -1] = mask[:, 0], mask[:, -1]
        to_planes(half, self.planes)

    def reset(self) -> None:
        """Start anew, as if nothing had been heard."""
        if self._under_way is not None:
            self._under_way.exception()  # waits; what went wrong concerns nobody any more
            self._under_way = None
        self._backend.reset()
        self._stft.reset()
        self._magnitudes.fill(0.0)
        self.masks.fill(0.0)
        self.planes.fill(0.0)
        self._end, self._since = self.spec.frames_per_run, self._stride - 1 - self._first


def to_planes(masks: Float32, out: Float32) -> None:
    """Turn masks into logits over `PRIOR_LOGITS`, from -1 to 1."""
    np.clip(masks, LEAST, 1 - LEAST, out=out)
    np.divide(out, 1 - out, out=out)
    np.log(out, out=out)
    np.divide(out, np.float32(PRIOR_LOGITS), out=out)


class TwoSpeedSeparator(StatefulSeparator):
    """Runs a stateful model hop by hop, beside a prior.

    Parameters
    ----------
    backend
        The model that answers; its spec names a prior.
    prior
        None for none: the planes stay zeros, as before the first mask.

    Raises
    ------
    ModelError
        If they don't go together.
    """

    def __init__(self, backend: Backend, prior: MaskPrior | None) -> None:
        if prior is not None:
            _check_pair(backend.spec, prior.spec)
        super().__init__(backend)
        self.prior = prior
        self._prior_planes = self._planes[0, 6:]

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`."""
        if self.prior is not None and block.shape == (self.spec.channels, self.block_size):
            # What it hears now is in a mask one hop later at the earliest.
            self.prior.hear(block)
            np.copyto(self._prior_planes, self.prior.planes)
        super().process(block, out)

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        if self.prior is not None:
            self.prior.reset()
            self._prior_planes.fill(0.0)


def _check_pair(spec: ModelSpec, prior: ModelSpec) -> None:
    alike = (spec.sample_rate, spec.channels, spec.hop_length, 2 * spec.n_fft, spec.stems)
    its = (prior.sample_rate, prior.channels, prior.hop_length, prior.n_fft, prior.stems)
    if alike != its or prior.feature != "magnitude" or prior.output != "mask":
        raise ModelError(
            f"the model {spec.prior} can't be the prior of {spec.name}",
            expected="masks over magnitudes, with the same stems, rate and hop and a transform "
            "twice as long",
            remedy="get both models again, or choose another",
        )
