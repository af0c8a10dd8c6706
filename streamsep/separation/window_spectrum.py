"""The transform around Demucs' network: spectra of a whole window of sound, and back."""

from __future__ import annotations

import numpy as np

from streamsep.dsp.stft import analysis_window
from streamsep.spec import ModelSpec
from streamsep.types import Float32

OVERLAP = 4  # frames over each sample


class WindowSpectrum:
    """Spectra of a window as planes, without the highest bin, divided by the root of n_fft.

    Frame j covers samples j · hop - 1.5 · hop to j · hop + 2.5 · hop, the window being mirrored at
    its ends; there are as many as hops begin in it. On the way back frames are overlapped and
    added as if more of them, silent, lay at both ends (Défossez 2021, "Hybrid spectrogram and
    waveform source separation", and its code).

    Parameters
    ----------
    spec
        Of a ``waveform`` graph with ``spectrum_n_fft``.

    Attributes
    ----------
    taken
        float32 (2C, bins, frames): what `analyse` makes, planes left real, left imaginary, …
    given
        float32 (S, 2C, bins, frames): what `synthesise` reads.
    """

    def __init__(self, spec: ModelSpec, taken: Float32, given: Float32) -> None:
        n_fft, samples, channels = spec.spectrum_n_fft, spec.samples_per_run, spec.channels
        hop, frames = n_fft // OVERLAP, taken.shape[-1]
        self.taken, self.given = taken, given
        self._hop, self._before = hop, 3 * hop // 2
        length = frames * hop + 3 * hop
        place = np.abs(np.arange(length) - self._before)
        self._mirrored = np.where(place < samples, place, 2 * (samples - 1) - place)
        self._sound = np.zeros((channels, length), np.float32)
        window = analysis_window("hann", n_fft, hop)
        root = np.float32(np.sqrt(n_fft))
        # numpy keeps to float32 only where a factor stands before the sum: 1 / n_fft here.
        self._analysis = window * np.float32(n_fft) / root
        self._synthesis = window * root / np.square(window).reshape(OVERLAP, hop).sum(axis=0)[0]
        shifts = np.lib.stride_tricks.sliding_window_view(self._sound, n_fft, axis=1)
        self._framed = shifts[:, ::hop]  # (C, frames, n_fft), a view
        self._windowed = np.zeros((channels, frames, n_fft), np.float32)
        self._spectra = np.zeros((channels, frames, n_fft // 2 + 1), np.complex64)
        self._added = np.zeros((channels, length), np.float32)
        self._samples = slice(self._before, self._before + samples)

    def analyse(self, sound: Float32) -> None:
        """Make ``taken`` of a window's sound (C, N)."""
        np.take(sound, self._mirrored, axis=1, out=self._sound, mode="clip")
        np.multiply(self._framed, self._analysis, out=self._windowed)
        np.fft.rfft(self._windowed, axis=-1, norm="forward", out=self._spectra)  # type: ignore[arg-type]  # stubs: float64 only
        seen = self._spectra[..., :-1].transpose(0, 2, 1)
        self.taken[0::2], self.taken[1::2] = seen.real, seen.imag

    def synthesise(self, estimate: Float32) -> None:
        """Add the sound of ``given`` to an estimate (S, C, N)."""
        spectra = self._spectra
        spectra[..., -1] = 0.0
        for planes, stem in zip(self.given, estimate, strict=True):
            seen = spectra[..., :-1].transpose(0, 2, 1)
            seen.real, seen.imag = planes[0::2], planes[1::2]
            np.fft.irfft(spectra, axis=-1, out=self._windowed)  # type: ignore[arg-type]
            np.multiply(self._windowed, self._synthesis, out=self._windowed)
            self._added.fill(0.0)
            for index in range(spectra.shape[1]):
                start = index * self._hop
                part = self._added[:, start : start + self._windowed.shape[-1]]
                np.add(part, self._windowed[:, index], out=part)
            np.add(stem, self._added[:, self._samples], out=stem)
