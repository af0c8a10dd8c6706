"""Demucs' network without its transform: ours around it, against that of torch in float64."""

import numpy as np
import pytest
import torch

from streamsep.models.contracts.waveform import WaveformParameters, waveform_spec
from streamsep.onnx_file import metadata_entry
from streamsep.separation import load_separator
from streamsep.separation.backend import OnnxBackend
from testing.signals import music
from tests.contract.test_mdx import below
from tests.contract.test_waveform import stems_of
from tools import contract_graphs

SAMPLES, N_FFT, HOP = 44_000, 4_096, 1_024  # no multiple of the hop, as 343,980 is none
GAINS = ((0.25, 0.5), (0.0, 1.0), (-0.5, 0.125))
FLOAT32 = 2e-6  # two transforms of 4,096 points, on sound of amplitude 0.5


@pytest.fixture(params=[1, -1], ids=["sound first", "spectra first"])
def path(tmp_path, request):
    path = contract_graphs.hybrid(
        tmp_path / "model.onnx", samples=SAMPLES, gains=GAINS, order=request.param
    )
    spec = waveform_spec(
        "model",
        ("mix", (1, 2, SAMPLES)),
        (1, 3, 2, SAMPLES),
        WaveformParameters(stems=("drums", "bass", "vocals")),
        origin="",
        licence="",
        spectrum_n_fft=N_FFT,
    )
    (entry,) = spec.to_metadata().items()
    path.write_bytes(path.read_bytes() + metadata_entry(*entry))
    return path


def padded(sound):
    frames = -(-SAMPLES // HOP)
    pad = HOP // 2 * 3
    ends = (pad, pad + frames * HOP - SAMPLES)
    return torch.nn.functional.pad(torch.from_numpy(sound), ends, mode="reflect"), frames


def spectra(sound):
    """As Demucs makes them: mirrored, centred, without the outermost frames and highest bin."""
    signal, frames = padded(sound)
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    z = torch.stft(
        signal, N_FFT, HOP, window=window, center=True, normalized=True, return_complex=True
    )
    return z[:, :-1, 2 : 2 + frames]


def sound_of(z):
    """As Demucs goes back: a bin and two frames at both ends of zeros, then cut out."""
    frames, pad = z.shape[-1], HOP // 2 * 3
    z = torch.nn.functional.pad(z, (2, 2, 0, 1))
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    length = HOP * frames + 2 * pad
    x = torch.istft(z, N_FFT, HOP, window=window, center=True, normalized=True, length=length)
    return x[:, pad : pad + SAMPLES].numpy()


def test_a_window_is_what_torch_makes_of_it(path):
    backend = OnnxBackend(path, device="cpu")
    sound = music(SAMPLES / 44_100)
    backend.features[...] = sound
    backend.run()
    through = sound_of(spectra(sound.astype(np.float64)))
    expected = [a * sound + b * through for a, b in GAINS]
    np.testing.assert_allclose(backend.estimate, expected, atol=FLOAT32, rtol=0)


def test_what_the_network_is_shown_is_what_torch_shows_it(path):
    backend = OnnxBackend(path, device="cpu")
    sound = music(SAMPLES / 44_100, seed=1)
    backend.features[...] = sound
    backend.run()
    z = spectra(sound.astype(np.float64)).numpy()
    planes = np.stack([z[0].real, z[0].imag, z[1].real, z[1].imag])
    assert np.abs(planes).max() > 1
    np.testing.assert_allclose(backend._spectrum.taken, planes, atol=1e-5, rtol=0)


def test_live_and_over_files_both_parts_come_out(path):
    mixture = below(music(2.0), 20_000)  # the highest bin isn't among the graph's
    for separator, allowed in (
        # Of a window's ends 1.5 hops aren't covered by all frames: overlapped they count little.
        (load_separator(path, device="cpu", offline=True), 1e-3),
        # Live they are never used.
        (load_separator(path, device="cpu", stride_blocks=8), FLOAT32),
    ):
        stems = stems_of(separator, mixture)
        for (a, b), stem in zip(GAINS, stems, strict=False):
            np.testing.assert_allclose(stem, (a + b) * mixture, atol=allowed, rtol=0)
