"""What both neural engines share: STFT in, estimate applied to the delayed spectra, STFT out."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.sanitize import MAX_AMPLITUDE, Sanitizer
from streamsep.dsp.stft import StreamingSTFT
from streamsep.separation.backend import Backend
from streamsep.separation.model_engine import ModelEngine
from streamsep.separation.multichannel_wiener import SelfSteeredFilter
from streamsep.types import Float32

# expm1 of this is 2e8, far above any magnitude of bounded audio, and can't overflow.
MAX_LOG1P = np.float32(19.0)
GROUP = 16  # frames, at most, from sound to spectra and back at once: they stay in a core's cache
TINY, NOTHING, ALL = np.float32(1e-20), np.float32(0.0), np.float32(1.0)


class SpectralEngine(ModelEngine):
    """Runs a backend over a stream; subclasses say how features reach the graph.

    Everything is allocated here; `process` allocates nothing that depends on the signal.

    Parameters
    ----------
    backend
        Holds the graph, its spec and its bound buffers.
    stride_frames
        Frames per call, a multiple of ``spec.stride_frames``.
    lag_frames
        How many frames the used estimates trail the newest frame.  [default: the spec's]
    """

    _kept: ClassVar[tuple[str, ...]] = (
        *ModelEngine._kept,
        *("_stft", "_spectra", "_wiener"),
    )

    def __init__(
        self, backend: Backend, stride_frames: int, *, lag_frames: int | None = None
    ) -> None:
        spec = backend.spec
        self._stride = stride_frames
        self._lag = spec.lag_frames if lag_frames is None else lag_frames
        group = max(size for size in range(1, GROUP + 1) if stride_frames % size == 0)
        # Of each group its frames, and its samples.
        self._groups = [
            (slice(i, i + group), slice(i * spec.hop_length, (i + group) * spec.hop_length))
            for i in range(0, stride_frames, group)
        ]
        self._stft = StreamingSTFT(
            spec.n_fft,
            spec.hop_length,
            spec.channels,
            stems=len(spec.stems),
            window=spec.window,
            frames=group,
        )
        super().__init__(
            backend,
            block_size=stride_frames * spec.hop_length,
            delay=self._stft.delay + self._lag * spec.hop_length,
        )
        frame = (spec.channels, spec.bins)
        # Frames wait here, oldest first, until their estimate has seen its look-ahead.
        self._spectra = np.zeros((self._lag + stride_frames, *frame), np.complex64)
        self._stem_spectra = np.zeros((group, len(spec.stems), *frame), np.complex64)
        # Views, one a stem.
        self._spectra_of_stems = [self._stem_spectra[:, i] for i in range(len(spec.stems))]
        if spec.output == "log1p_magnitude":
            self._magnitude = np.zeros((group, *frame), np.float32)
            self._ratio = np.zeros(self._stem_spectra.shape, np.float32)
            self._ratio_of_stems = [self._ratio[:, i] for i in range(len(spec.stems))]
        planes, bins, _ = spec.features_shape
        self._feature_gain = np.float32(spec.feature_gain)
        self._gain = np.float32(spec.compensate / spec.feature_gain)
        self._planes = np.zeros((stride_frames, planes, bins), np.float32)
        self._features = self._planes.transpose(1, 2, 0)  # a view: as the graph wants it
        if "lrms" in spec.feature:
            self._mid_side = np.zeros((stride_frames, *frame), np.complex64)
        self._estimate = np.zeros((*spec.estimate_shape[:-1], stride_frames), np.float32)
        self._estimated = self._estimate.transpose(3, 0, 1, 2)  # a view: frames first
        # A sample is bounded; a bin of a spectrum sums up to n_fft of them.
        limit = MAX_AMPLITUDE * (spec.n_fft if spec.output == "complex" else 1)
        self._sanitizer = Sanitizer(self._estimate.shape, limit)
        hop_s = spec.hop_length / spec.sample_rate
        self._wiener: SelfSteeredFilter | None = None
        if spec.multichannel_wiener and spec.mode == "sliding":
            self._wiener = SelfSteeredFilter(spec.bins, hop_s)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`.

        Raises
        ------
        ValueError
            If a shape isn't (C, block_size) and (S, C, block_size).
        """
        self._check_shapes(block, out)
        for index in range(self._lag):
            self._spectra[index] = self._spectra[index + self._stride]
        oldest, newest = self._spectra[: self._stride], self._spectra[self._lag :]
        for frames, samples in self._groups:
            self._stft.analyse(block[:, samples], newest[frames])
        self._extract(newest)
        self._run()
        if self._sanitizer.clean(self._estimate):
            # Whatever made it would live on in the states.
            self._forget()
        if self._wiener is not None:
            self._wiener.learn(oldest, self._estimated[:, 0])
        for frames, samples in self._groups:
            self._apply(oldest[frames], self._estimated[frames])
            self._stft.synthesise(self._stem_spectra, out[:-1, :, samples])
        residual = out[-1]
        self._mixture.process(block, residual)
        for stem in out[:-1]:
            np.subtract(residual, stem, out=residual)

    def _extract(self, spectra: NDArray[np.complex64]) -> None:
        """Turn spectra (T, C, B) into ``self._features``."""
        channels, planes = self.spec.channels, self._planes
        if self.spec.feature == "complex":
            seen = spectra[..., : planes.shape[-1]]
            planes[:, 0::2], planes[:, 1::2] = seen.real, seen.imag
            if self._feature_gain != 1:
                np.multiply(planes, self._feature_gain, out=planes)
        else:
            magnitudes = planes
            np.abs(spectra, out=planes[:, :channels])
            if self.spec.feature == "magnitude":
                return
            if "lrms" in self.spec.feature:
                magnitudes = planes[:, :4]
                mid, side = self._mid_side[:, 0], self._mid_side[:, 1]
                np.add(spectra[:, 0], spectra[:, 1], out=mid)
                np.subtract(spectra[:, 0], spectra[:, 1], out=side)
                np.multiply(self._mid_side, np.float32(0.5), out=self._mid_side)
                np.abs(self._mid_side, out=planes[:, channels:4])
            if self.spec.feature.startswith("log1p_magnitude_lrms_mid"):
                planes[:, 4], planes[:, 5] = mid.real, mid.imag
            np.multiply(magnitudes, self._feature_gain, out=magnitudes)
            np.log1p(magnitudes, out=magnitudes)

    @abstractmethod
    def _run(self) -> None:
        """Turn ``self._features`` into ``self._estimate`` for the frames ``lag`` earlier."""

    def _apply(self, spectra: NDArray[np.complex64], estimated: Float32) -> None:
        """Make the stems' spectra of a group's estimate and the mixture's (T, C, B)."""
        if self.spec.output == "complex":
            self._place(spectra[:, np.newaxis], estimated)
            return
        if self._tell_apart(spectra, estimated):
            return
        # Factors are brought into the product's own form: numpy would do it in new buffers.
        factor = estimated
        if self.spec.output == "log1p_magnitude":
            factor = ratio = self._ratio
            np.copyto(ratio, estimated)
            # Wiener-like: the estimated magnitude with the mixture's phase, never above the
            # mixture, so that silence stays silence whatever the network believes.
            np.abs(spectra, out=self._magnitude)
            np.maximum(self._magnitude, TINY, out=self._magnitude)
            np.maximum(ratio, NOTHING, out=ratio)
            np.minimum(ratio, MAX_LOG1P, out=ratio)
            np.expm1(ratio, out=ratio)
            for of_stem in self._ratio_of_stems:
                np.divide(of_stem, self._magnitude, out=of_stem)
            np.minimum(ratio, ALL, out=ratio)
        np.copyto(self._stem_spectra, factor)
        for stem_spectra in self._spectra_of_stems:
            np.multiply(stem_spectra, spectra, out=stem_spectra)

    def _tell_apart(self, spectra: NDArray[np.complex64], estimated: Float32) -> bool:
        """Make the stem's spectra by where sounds come from, or say that it isn't known."""
        if self._wiener is None:
            return False
        self._wiener.apply(spectra, estimated[:, 0], self._stem_spectra[:, 0])
        return True

    def _place(self, mixture: NDArray[np.complex64], estimated: Float32) -> None:
        """Take the estimated spectra (T, S, 2C, F) as they are, but silence for silence."""
        seen = self._stem_spectra[..., : estimated.shape[-1]]
        seen.real, seen.imag = estimated[:, :, 0::2], estimated[:, :, 1::2]
        heard = np.any(mixture, axis=(1, 2, 3), keepdims=True)
        np.multiply(seen, np.where(heard, self._gain, 0.0), out=seen)

    def _forget(self) -> None:
        self._backend.reset()

    def reset(self) -> None:
        """Start anew."""
        self._forget()
        self._stft.reset()
        self._mixture.reset()
        self._spectra.fill(0.0)
        if self._wiener is not None:
            self._wiener.reset()
