"""Spleeter's two graphs as one separator, against the masks that its code makes, in float64."""

import numpy as np
import onnx
import pytest

from streamsep.models.contracts.spleeter import SpleeterGraph, joined_graphs, spleeter_spec
from streamsep.onnx_file import metadata_entry
from streamsep.separation import load_separator
from testing.signals import music
from tests.contract.test_mdx import sound_of, spectra_of, vocals_of
from tools import contract_graphs

HOP, N_FFT, BINS = 1_024, 4_096, 1_024
# Two float32 transforms of 4,096 points and a division, on sound of amplitude 0.5.
FLOAT32 = 2e-6


def pair(folder, *, half=False):
    """Two graphs, and what they make of a spectrum's magnitudes (bins)."""
    rng = np.random.default_rng(5)
    gains = rng.uniform(0.05, 1.0, (2, BINS)).astype(np.float32)
    if half:
        gains = gains.astype(np.float16).astype(np.float32)
    paths = [
        contract_graphs.magnitudes(folder / f"{name}.onnx", gains=each, half=half)
        for name, each in zip(("vocals", "accompaniment"), gains, strict=True)
    ]
    return paths, gains


def masked(mixture, gains):
    """The vocals in float64: v² / (v² + a²), above 11 kHz the frame's mean; no code of ours."""
    count = mixture.shape[-1] // HOP + 8
    planes = spectra_of(mixture, N_FFT, count)  # (4, bins, frames)
    v, a = (gain[:, None].astype(np.float64) for gain in gains)
    spectra = planes[0::2] + 1j * planes[1::2]
    size = np.abs(spectra[:, :BINS])
    mask = ((v * size) ** 2 + 5e-11) / ((v * size) ** 2 + (a * size) ** 2 + 1e-10)
    rest = np.repeat(mask.mean(axis=1, keepdims=True), N_FFT // 2 + 1 - BINS, axis=1)
    mask = np.repeat(np.concatenate([mask, rest], axis=1), 2, axis=0)
    return sound_of(planes * mask, N_FFT, mixture.shape[-1])


@pytest.fixture
def joined(tmp_path):
    def make(**options):
        paths, gains = pair(tmp_path, **options)
        half = options.get("half", False)
        graphs = [SpleeterGraph(path, "x", "y", half) for path in paths]
        spec = spleeter_spec("spleeter", origin="", licence="")
        path = tmp_path / "spleeter.onnx"
        (entry,) = spec.to_metadata().items()
        path.write_bytes(b"".join([*joined_graphs(*graphs), metadata_entry(*entry)]))
        return path, gains

    return make


@pytest.mark.slow
def test_live_and_over_files_it_is_what_its_code_makes_in_float64(joined):
    path, gains = joined()
    mixture = music(2.0)
    expected = masked(mixture, gains)
    assert 0.1 < np.abs(expected).max() < 0.45
    for separator in (
        load_separator(path, device="cpu", offline=True),
        load_separator(path, device="cpu", stride_blocks=16),
    ):
        np.testing.assert_allclose(vocals_of(separator, mixture), expected, atol=FLOAT32, rtol=0)


def test_graphs_of_float16_round_their_magnitudes(joined):
    path, gains = joined(half=True)
    mixture = music(1.0)
    vocals = vocals_of(load_separator(path, device="cpu", offline=True), mixture)
    # Magnitudes with 11 bits, squared and divided: masks are off by up to 2 ** -10.
    np.testing.assert_allclose(vocals, masked(mixture, gains), atol=1e-3, rtol=0)


def test_the_joined_file_is_sound_onnx_and_its_names_are_apart(joined):
    path, _ = joined()
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [port.name for port in (*model.graph.input, *model.graph.output)] == [
        "features",
        "estimate",
    ]
    weights = {tensor.name for tensor in model.graph.initializer}
    assert {"vocals/gains", "accompaniment/gains"} <= weights
