"""Graphs with the contract of MDX-Net, live and offline, against known answers."""

import numpy as np
import pytest
from scipy.signal import get_window

from streamsep.separation import ChunkedSeparator, load_separator
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast

HOP = 1024
# Two float32 transforms of up to 16,384 points; measured 2e-7 on sound of amplitude 0.5.
FLOAT32 = 2e-6


def below(sound: np.ndarray, hertz: float) -> np.ndarray:
    """Take out what the graph's bins don't reach; a sudden start would reach everywhere."""
    ramp = np.sin(np.pi / 2 * np.clip(np.arange(sound.shape[-1]) / 4096, 0.0, 1.0)) ** 2
    spectrum = np.fft.rfft(sound * ramp * ramp[::-1])
    spectrum[:, round(hertz / 44_100 * sound.shape[-1]) :] = 0.0
    return np.fft.irfft(spectrum, sound.shape[-1]).astype(np.float32)


def vocals_of(separator, mixture: np.ndarray) -> np.ndarray:
    chunked = ChunkedSeparator(separator)
    stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    # In float32 the two stems sum to the mixture but for the rounding of one sum.
    np.testing.assert_allclose(stems.sum(axis=0), mixture, atol=1e-6)
    return stems[0]


def engines(path, strides=(1, 3, 7)):
    yield load_separator(path, device="cpu", offline=True)
    for stride in strides:
        yield load_separator(path, device="cpu", stride_blocks=stride)


@pytest.mark.parametrize("n_fft", one_fast([4096, 6144, 7680, 16_384]))
def test_an_identity_graph_gives_the_sound_back_sample_for_sample(tmp_path, n_fft):
    # 7680 is no multiple of the hop, and in use.
    path = models.mdx(tmp_path / "mdx.onnx", n_fft=n_fft, dim_f=n_fft // 2 + 1)
    mixture = music(1.7)
    for separator in engines(path):
        np.testing.assert_allclose(vocals_of(separator, mixture), mixture, atol=FLOAT32, rtol=0)


@pytest.mark.slow
def test_with_the_sizes_of_published_models_no_seam_is_louder_than_60_db(tmp_path):
    path = models.mdx(tmp_path / "mdx.onnx", n_fft=6144, dim_f=2048, frames=256)
    mixture = below(music(14.0), 10_000)  # three windows of 5.9 s
    separator = load_separator(path, device="cpu", offline=True)
    assert separator.block_size == 192 * HOP  # a quarter of 256 frames overlaps
    error = np.abs(vocals_of(separator, mixture) - mixture).max()
    assert 20 * np.log10(error) < -60 - 40  # float32 leaves room to spare


def test_compensate_is_a_gain_and_bins_above_stay_in_the_beat(tmp_path):
    path = models.mdx(tmp_path / "mdx.onnx", dim_f=1024, compensate=1.03)
    mixture = music(1.0)
    mixture += np.sin(2 * np.pi * 15_000 / 44_100 * np.arange(44_100)).astype(np.float32) / 4
    expected = 1.03 * below(mixture, 1024 / 4096 * 44_100)
    for separator in engines(path, strides=(4,)):
        vocals = vocals_of(separator, mixture)
        inner = slice(4096, -4096)  # an ideal filter rings where the sound begins and ends
        np.testing.assert_allclose(vocals[:, inner], expected[:, inner], atol=2e-3, rtol=0)


def test_silence_stays_silence_whatever_the_network_believes(tmp_path):
    path = models.mdx(tmp_path / "mdx.onnx", kernel=np.ones((4, 4, 3), np.float32))
    for separator in engines(path, strides=(2,)):
        assert not vocals_of(separator, np.zeros((2, 60_000), np.float32)).any()


def spectra_of(mixture: np.ndarray, n_fft: int, count: int) -> np.ndarray:
    """Batch STFT in float64, planes (4, bins, count): no code of ours."""
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (n_fft - HOP, count * HOP)))
    window = get_window("hann", n_fft)
    frames = np.stack([padded[:, q * HOP : q * HOP + n_fft] for q in range(count)], axis=-2)
    spectra = np.fft.rfft(frames * window).transpose(0, 2, 1)
    return np.stack([p for side in spectra for p in (side.real, side.imag)])


def sound_of(planes: np.ndarray, n_fft: int, samples: int) -> np.ndarray:
    """Batch overlap-add, divided by the sum of the squared windows."""
    count, window = planes.shape[-1], get_window("hann", n_fft)
    out, weight = np.zeros((2, n_fft + count * HOP)), np.zeros(n_fft + count * HOP)
    spectra = planes[0::2] + 1j * planes[1::2]
    for q in range(count):
        here = slice(q * HOP, q * HOP + n_fft)
        out[:, here] += np.fft.irfft(spectra[..., q], n_fft) * window
        weight[here] += window**2
    here = slice(n_fft - HOP, n_fft - HOP + samples)
    return out[:, here] / weight[here]


def convolved(planes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What the graph of `models.mdx` does to one window, zeros around it."""
    padded = np.pad(planes, ((0, 0), (0, 0), (1, 1)))
    count = planes.shape[-1]
    return sum(
        np.einsum("oi,ibt->obt", kernel[..., k], padded[..., k : k + count]) for k in range(3)
    )


class TestConvolution:
    @pytest.fixture
    def kernel(self):
        # Sides, real and imaginary parts and neighbouring frames all get mixed.
        return np.random.default_rng(3).uniform(-0.3, 0.3, (4, 4, 3)).astype(np.float32)

    @pytest.fixture
    def path(self, tmp_path, kernel):
        return models.mdx(tmp_path / "mdx.onnx", kernel=kernel, n_fft=6144, dim_f=3073)

    @pytest.mark.parametrize("stride", [1, 5])
    def test_live_equals_the_whole_file_at_once(self, path, kernel, stride):
        mixture = music(1.6)
        planes = convolved(spectra_of(mixture, 6144, 90), kernel)
        separator = load_separator(path, device="cpu", stride_blocks=stride)
        vocals = vocals_of(separator, mixture)
        expected = sound_of(planes, 6144, mixture.shape[-1])
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(vocals, expected, atol=FLOAT32, rtol=0)

    def test_offline_equals_overlapped_windows_weighted_by_hann(self, path, kernel):
        mixture, frames, step = music(2.6), 32, 24
        planes = np.pad(spectra_of(mixture, 6144, 6 * step), ((0, 0), (0, 0), (8, 0)))
        total, weights = np.zeros_like(planes), np.zeros(planes.shape[-1])
        hann = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) ** 2
        for start in range(0, planes.shape[-1] - frames + 1, step):
            here = slice(start, start + frames)
            total[..., here] += hann * convolved(planes[..., here], kernel)
            weights[here] += hann
        expected = sound_of((total / np.maximum(weights, 1e-9))[..., 8:], 6144, mixture.shape[-1])
        vocals = vocals_of(load_separator(path, device="cpu", offline=True), mixture)
        np.testing.assert_allclose(vocals, expected, atol=FLOAT32, rtol=0)
