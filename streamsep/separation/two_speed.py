"""An engine of two speeds: a network that answers every hop, corrected by what a slow one thinks.

The slow one, the *prior*, looks at the newest window every few hops on a thread of its own. Its
masks are old when they come, and a mask that is held on loses every onset. But where it thought
otherwise of the frames that both have seen, the quick one errs, and goes on to err: the mean
difference of their logits over the prior's newest frames is added to the quick one's logits until
the next one is there (the innovation of a Kalman filter, Kalman 1960, with a fixed gain). When it
comes changes what is heard, never the latency, nor that stems sum to the mixture.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.resumable import Resumable, State, copy_exactly
from streamsep.dsp.stft import StreamingSTFT
from streamsep.errors import ModelError
from streamsep.priority import give_way
from streamsep.separation.backend import Backend
from streamsep.separation.multichannel_wiener import (
    Directions,
    MultichannelWienerFilter,
    SpatialCovariance,
)
from streamsep.separation.stateful import StatefulSeparator
from streamsep.spec import ModelSpec
from streamsep.types import Float32

# Frames of a run that are compared, its newest ones, and how much of their mean difference is
# added. On five excerpts one frame and 0.3 give 0.2 dB of the beat, twelve and 0.7 give 0.4;
# with half to all of it, and eight to twelve frames, it is the same within 0.05 dB.
COMPARED_FRAMES, GAIN = 12, np.float32(0.7)
# Logits beyond this are certainty, and differ by chance; those of the answer are kept further.
CERTAIN, KEPT = 4.0, 8.0
# Directions are learnt from the frame of a run that has so many after it: its mask knows them.
LATER_FRAMES = 8


class MaskPrior(Resumable):
    """The newest masks of a sliding model, run beside the sound.

    Parameters
    ----------
    backend
        A model of masks over magnitudes, with a transform twice as long as the follower's.
    stride
        Hops from run to run; more pass while a run takes longer.
    wait
        Have each run's masks ready by the hop after it began, however long that takes: the same
        masks every time. Else the sound doesn't wait.
    directions
        Learn where the stem and the rest come from: of one stem in stereo.

    Attributes
    ----------
    stride
        As above.
    frames
        How many frames the newest run that began compares: fewer than COMPARED_FRAMES at first.
    logits
        (S, C, B) of the follower's bins: mean over the frames of the newest run that ended.
    directions
        Where the stem and the rest come from, by all runs that ended, for the follower's bins;
        None if it wasn't to learn that.
    """

    _kept: ClassVar[tuple[str, ...]] = (
        "_stft",
        "_magnitudes",
        "_recent",
        "_made",
        "_covariance",
        "_made_directions",
        "directions",
        "_end",
        "_since",
        "_heard",
        "frames",
    )

    def __init__(
        self, backend: Backend, stride: int, *, wait: bool, directions: bool = False
    ) -> None:
        spec = backend.spec
        self.spec, self.provider, self._backend = spec, backend.provider, backend
        self.stride, self._wait = stride, wait
        self._stft = StreamingSTFT(
            spec.n_fft, spec.hop_length, spec.channels, window=spec.window, frames=1
        )
        self._spectrum = np.zeros((1, spec.channels, spec.bins), np.complex64)
        # Newest frame last; twice as long as a window, so that frames move only now and then.
        length = spec.frames_per_run
        self._magnitudes = np.zeros((2 * length, spec.channels, spec.bins), np.float32)
        self._end = length
        shape = (len(spec.stems), spec.channels, spec.n_fft // 4 + 1)
        self._logits = np.zeros((*shape, COMPARED_FRAMES), np.float32)
        self._made = np.zeros(shape, np.float32)
        # The newest frames, as a ring; and the one that a run learns directions from.
        self._later = min(LATER_FRAMES, spec.frames_per_run - 1)
        self._recent = np.zeros((self._later + 1, spec.channels, spec.bins), np.complex64)
        self._learnt = np.zeros(self._recent.shape[1:], np.complex64)
        self._covariance: SpatialCovariance | None = None
        self.directions: Directions | None = None
        self._made_directions: Directions | None = None
        if directions:
            hop_s = spec.hop_length / spec.sample_rate
            self._covariance = SpatialCovariance(spec.bins, stride * hop_s)
            self.directions = Directions.unknown(shape[-1])
            self._made_directions = Directions.unknown(shape[-1])
        self._thread = ThreadPoolExecutor(1, "streamsep-prior", give_way)
        self._under_way: Future[None] | None = None
        self._since, self._heard = stride - 1, 0
        self.frames = 0
        self.logits: Float32 = np.zeros(shape, np.float32)

    def hear(self, block: Float32) -> bool:
        """Take in the next hop, (C, hop_length), and say whether a run begins with it."""
        self._stft.analyse(block, self._spectrum)
        self._recent[self._heard % len(self._recent)] = self._spectrum[0]
        if self._end == len(self._magnitudes):
            half = len(self._magnitudes) // 2
            self._magnitudes[:half] = self._magnitudes[half:]
            self._end = half
        np.abs(self._spectrum[0], out=self._magnitudes[self._end])
        self._end += 1
        self._since += 1
        self._heard += 1
        if self._under_way is not None or self._since < self.stride:
            return False
        window = self._magnitudes[self._end - self.spec.frames_per_run : self._end]
        self._backend.features[...] = window.transpose(1, 2, 0)
        np.copyto(self._learnt, self._recent[self._heard % len(self._recent)])  # the oldest
        self.frames = min(self._heard, COMPARED_FRAMES)
        self._under_way = self._thread.submit(self._run, self.frames)
        self._since = 0
        return True

    def _run(self, frames: int) -> None:
        self._backend.run()
        masks, half = self._backend.estimate[..., -frames:], self._logits[..., :frames]
        # Of neighbouring bins of a transform twice as long, for one bin.
        half[..., 1:-1, :] = (
            masks[..., 1:-3:2, :] + 2 * masks[..., 2:-2:2, :] + masks[..., 3:-1:2, :]
        ) / 4
        half[..., 0, :], half[..., -1, :] = masks[..., 0, :], masks[..., -1, :]
        to_logits(half, CERTAIN, out=half)
        np.mean(half, axis=-1, out=self._made)
        if self._covariance is not None and self._made_directions is not None:
            self._covariance.update(self._learnt, self._backend.estimate[0, ..., -1 - self._later])
            self._covariance.directions(self._made_directions)

    def collect(self) -> bool:
        """Take over `logits` of a run that has ended, or wait for it if so told.

        Raises
        ------
        BackendError
            If the run failed.
        """
        if self._under_way is None or not (self._wait or self._under_way.done()):
            return False
        under_way, self._under_way = self._under_way, None
        under_way.result()
        np.copyto(self.logits, self._made)
        if self.directions is not None and self._made_directions is not None:
            self._made_directions.copy_to(self.directions)
        return True

    def state(self) -> State:
        """See `Resumable`; waits for the run that is under way.

        Raises
        ------
        BackendError
            If that fails.
        """
        if self._under_way is not None:
            self._under_way.result()
        return super().state() | {"is_made": np.array(self._under_way is not None)}

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._end_run()
        super().restore(state)
        is_made = np.zeros((), np.bool_)
        copy_exactly(state, "is_made", is_made)
        if is_made:
            self._under_way = Future()
            self._under_way.set_result(None)

    def _end_run(self) -> None:
        if self._under_way is not None:
            self._under_way.exception()  # waits; what went wrong concerns nobody any more
            self._under_way = None

    def reset(self) -> None:
        """Start anew, as if nothing had been heard."""
        self._end_run()
        self._backend.reset()
        self._stft.reset()
        self._magnitudes.fill(0.0)
        self._recent.fill(0.0)
        if self._covariance is not None:
            self._covariance.reset()
        self._end, self._since, self._heard = self.spec.frames_per_run, self.stride - 1, 0


def to_logits(masks: Float32, most: float, out: Float32, rest: Float32 | None = None) -> None:
    """Turn masks from 0 to 1 into logits, log(m / (1 − m)), from -most to most.

    ``rest`` is room for what the masks leave, of their shape; without it some is allocated.
    """
    least = np.float32(1 / (1 + np.exp(most)))
    np.clip(masks, least, 1 - least, out=out)
    rest = np.subtract(np.float32(1.0), out, out=rest)
    np.divide(out, rest, out=out)
    np.log(out, out=out)


class TwoSpeedSeparator(StatefulSeparator):
    """Runs a stateful model hop by hop, corrected by a prior.

    Parameters
    ----------
    backend
        The model that answers, with masks; its spec names the prior.
    prior
        Until its first masks the answer is the model's own.

    Raises
    ------
    ModelError
        If they don't go together.
    """

    _kept: ClassVar[tuple[str, ...]] = (
        *StatefulSeparator._kept,
        *("prior", "_block", "_hop", "_frame", "_own", "_own_mean", "_correction", "_corrected"),
    )

    def __init__(self, backend: Backend, prior: MaskPrior) -> None:
        _check_pair(backend.spec, prior.spec)
        super().__init__(backend)
        self.prior = prior
        self._filter: MultichannelWienerFilter | None = None
        if prior.directions is not None:
            self._filter = MultichannelWienerFilter(self.spec.bins)
        shape = self._estimate.shape[:-1]
        self._hops = prior.spec.hop_length // self.spec.hop_length
        # What the prior hears next: a hop of its own is so many of the model's.
        self._block = np.zeros((self.spec.channels, self._hops * self.block_size), np.float32)
        self._hop = self._frame = 0
        self._logits, self._rest = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._own = np.zeros((COMPARED_FRAMES, *shape), np.float32)  # by the prior's frames, a ring
        self._own_mean = np.zeros(shape, np.float32)  # over the frames of the run under way
        self._correction = np.zeros(shape, np.float32)
        self._begun = self._corrected = False

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`."""
        if block.shape == (self.spec.channels, self.block_size):
            # What it hears now is in masks that come one hop later at the earliest.
            if self.prior.collect():
                np.subtract(self.prior.logits, self._own_mean, out=self._correction)
                np.multiply(self._correction, GAIN, out=self._correction)
                self._corrected = True
                self._steer()
            start = self._hop * self.block_size
            self._block[:, start : start + self.block_size] = block
            self._begun = self._hop == self._hops - 1 and self.prior.hear(self._block)
        super().process(block, out)

    def _run(self) -> None:
        super()._run()
        masks, logits = self._estimate[..., 0], self._logits
        to_logits(masks, CERTAIN, logits, self._rest)
        own = self._own[self._frame]
        np.multiply(own, np.float32(self._hop > 0), out=own)
        np.divide(logits, np.float32(self._hops), out=logits)
        np.add(own, logits, out=own)
        if self._corrected:
            # masks = 1 / (1 + exp(-(logits + correction)))
            to_logits(masks, KEPT, logits, self._rest)
            np.add(logits, self._correction, out=logits)
            np.negative(logits, out=logits)
            np.exp(logits, out=logits)
            np.add(logits, np.float32(1.0), out=logits)
            np.reciprocal(logits, out=masks)
        self._hop = (self._hop + 1) % self._hops
        if not self._hop:
            self._frame = (self._frame + 1) % COMPARED_FRAMES
        if self._begun:
            np.mean(self._own[: self.prior.frames], axis=0, out=self._own_mean)

    def _steer(self) -> None:
        if self._filter is not None and self.prior.directions is not None:
            self._filter.steer(self.prior.directions)

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        super().restore(state)
        self._steer()

    def _tell_apart(self, spectra: NDArray[np.complex64], estimated: Float32) -> bool:
        if self._filter is None or not self._corrected:
            return False
        self._filter.apply(spectra[0], estimated[0, 0], self._stem_spectra[0, 0])
        return True

    def _forget(self) -> None:
        super()._forget()
        self.prior.reset()
        self._own.fill(0.0)
        self._hop = self._frame = 0
        self._begun = self._corrected = False


def _check_pair(spec: ModelSpec, prior: ModelSpec) -> None:
    alike = (spec.sample_rate, spec.channels, 2 * spec.n_fft, spec.stems, spec.output)
    its = (prior.sample_rate, prior.channels, prior.n_fft, prior.stems, prior.output)
    kinds = (spec.mode, spec.frames_per_run, prior.mode, prior.feature, prior.output)
    if (
        alike != its
        or prior.hop_length % spec.hop_length
        or kinds != ("stateful", 1, "sliding", "magnitude", "mask")
    ):
        raise ModelError(
            f"the model {spec.prior} can't be the prior of {spec.name}",
            expected="masks over magnitudes, with the same stems and rate, a hop that is a "
            "multiple and a transform twice as long",
            remedy="get both models again, or choose another",
        )
