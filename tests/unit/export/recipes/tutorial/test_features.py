import librosa
import numpy as np
import pytest
import torch
from scipy.signal.windows import hann

from export.constants import BINS, EXCERPT_FRAMES, EXCERPT_SAMPLES, HOP_LENGTH, N_FFT
from export.engine.torch_stft import istft, make_window, stft
from export.recipes.tutorial.features import apply_estimate, log1p_magnitude, phase

LIBROSA_WINDOWS = {"hann": "hann", "sqrt_hann": np.sqrt(hann(N_FFT, sym=False))}


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(2, 20 * HOP_LENGTH, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hann", "sqrt_hann"])
def test_features_equal_librosas(noise: torch.Tensor, name: str) -> None:
    ours = stft(noise, make_window(name))
    theirs = librosa.stft(
        noise.numpy(),
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        window=LIBROSA_WINDOWS[name],
        center=True,
        pad_mode="constant",
    )
    assert ours.shape == theirs.shape
    # Two float32 FFTs of 2048 points differ by some float epsilons of the largest bin (~10).
    assert np.abs(ours.numpy() - theirs).max() < 2e-5
    features = log1p_magnitude(ours)
    assert features.dtype == torch.float32
    assert np.abs(features.numpy() - np.log1p(np.abs(theirs))).max() < 1e-5
    # An angle is only as certain as its bin is large.
    large = np.abs(theirs) > 0.1
    difference = np.exp(1j * phase(ours).numpy()) - np.exp(1j * np.angle(theirs))
    assert np.abs(difference[large]).max() < 1e-3


def test_an_excerpt_has_256_frames_of_1025_bins() -> None:
    spectrum = stft(torch.zeros(EXCERPT_SAMPLES), make_window("sqrt_hann"))
    assert EXCERPT_SAMPLES == 255 * 1024
    assert spectrum.shape == (BINS, EXCERPT_FRAMES) == (1025, 256)


@pytest.mark.parametrize("name", ["hann", "sqrt_hann"])
def test_synthesis_undoes_analysis(noise: torch.Tensor, name: str) -> None:
    window = make_window(name)
    back = istft(stft(noise, window), window, noise.shape[-1])
    # Float32 rounding of samples around 0.1; Hann alone divides by small window sums.
    assert (back - noise).abs().max() < 1e-6


def test_the_square_root_window_is_its_own_dual() -> None:
    window = make_window("sqrt_hann")
    overlap = window[:HOP_LENGTH] ** 2 + window[HOP_LENGTH:] ** 2
    assert (overlap - 1).abs().max() < 1e-6  # float32 epsilons


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(ValueError, match="blackman"):
        make_window("blackman")


def test_an_estimate_never_exceeds_the_mixture_and_keeps_its_phase(noise: torch.Tensor) -> None:
    mixture = stft(noise, make_window("sqrt_hann"))
    loud = apply_estimate(mixture, torch.full(mixture.shape, 9.0))
    assert torch.allclose(loud, mixture, rtol=1e-6, atol=0)  # one rounding per product
    assert not apply_estimate(mixture, torch.full(mixture.shape, -1.0)).abs().any()
    half = apply_estimate(mixture, torch.log1p(mixture.abs() / 2))
    # log1p and expm1 cancel to float precision relative to 1 + magnitude.
    assert (half - mixture / 2).abs().max() < 1e-5


def test_silence_stays_silence() -> None:
    silent = torch.zeros(BINS, 4, dtype=torch.complex64)
    assert not apply_estimate(silent, torch.ones(BINS, 4)).abs().any()
