"""Graphs of spectra with an axis of stems, with other hops and scales, against known answers."""

import numpy as np
import pytest

from streamsep.models.contracts.mdx import mdx_spec
from streamsep.models.contracts.mdx_table import MdxParameters
from streamsep.onnx_file import metadata_entry
from streamsep.separation import load_separator
from streamsep.separation.backend import OnnxBackend, graph_ports
from streamsep.separation.sliding import SlidingSeparator
from testing.signals import music
from tests.contract.test_mdx import below, spectra_of
from tests.contract.test_waveform import engines, stems_of
from tests.support.cases import one_fast
from tools import contract_graphs

# Two float32 transforms of up to 8,192 points, on sound of amplitude 0.5.
FLOAT32 = 2e-6
GAINS = (0.25, 0.625)


def imported(path, **known):
    (taken,), (given,) = graph_ports(path)
    spec = mdx_spec(
        path.stem,
        list(taken.shape),
        MdxParameters(**known),
        output=list(given.shape),
        origin="",
        licence="",
    )
    (entry,) = spec.to_metadata().items()
    path.write_bytes(path.read_bytes() + metadata_entry(*entry))
    return path


@pytest.mark.parametrize(
    ("n_fft", "hop", "dim_f", "frames"),
    one_fast([(8_192, 1_024, 4_096, 32), (2_048, 512, 1_024, 32), (2_048, 441, 1_024, 32)]),
    ids=["as UVR has it", "as Intel has it", "a RoFormer's core"],
)
@pytest.mark.parametrize("normalised", one_fast([False, True]))
def test_each_stem_is_its_part_of_the_spectrum(tmp_path, n_fft, hop, dim_f, frames, normalised):
    path = contract_graphs.spectrum(
        tmp_path / "mdx23c.onnx", dim_f=dim_f, frames=frames, stems=2, gains=GAINS
    )
    path = imported(
        path,
        n_fft=n_fft,
        stems=("vocals", "instrumental"),
        hop_length=hop,
        normalised=normalised,
    )
    mixture = below(music(1.2), 20_000)  # the highest bin isn't among the graph's
    for separator in engines(path):
        assert separator.stems == ("vocals", "beat", "rest")
        stems = stems_of(separator, mixture)
        for stem, gain in zip(stems, GAINS, strict=False):
            np.testing.assert_allclose(stem, gain * mixture, atol=FLOAT32, rtol=0)


def test_normalised_spectra_are_divided_by_the_root_of_n_fft(tmp_path):
    path = contract_graphs.spectrum(tmp_path / "model.onnx", dim_f=2_049, frames=16)
    path = imported(path, n_fft=4_096, normalised=True)
    backend = OnnxBackend(path, device="cpu")
    separator = SlidingSeparator(backend, stride_blocks=4)
    mixture = music(4 * 4_096 / 44_100)
    out = np.zeros((2, 2, separator.block_size), np.float32)
    for block in np.split(mixture, mixture.shape[-1] // separator.block_size, axis=-1):
        separator.process(block, out)
    expected = spectra_of(mixture, 4_096, 16) / 64
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(backend.features, expected, atol=1e-5, rtol=0)


def test_dttnet_has_mdx_nets_contract(tmp_path):
    """Of its published sizes; the batch is free, or 1."""
    path = contract_graphs.spectrum(tmp_path / "dttnet.onnx", dim_f=2_048, frames=256)
    path = imported(path, n_fft=6_144)
    mixture = below(music(2.0), 10_000)
    separator = load_separator(path, device="cpu", offline=True)
    np.testing.assert_allclose(stems_of(separator, mixture)[0], mixture, atol=FLOAT32, rtol=0)


def test_ports_of_float16_round_and_nothing_else(tmp_path):
    path = contract_graphs.spectrum(tmp_path / "half.onnx", dim_f=2_049, frames=32, half=True)
    mixture = music(1.0)
    for separator in engines(imported(path, n_fft=4_096), strides=(3,)):
        # Bins of up to some hundreds with 11 bits; they are 4,096 and their errors independent.
        np.testing.assert_allclose(stems_of(separator, mixture)[0], mixture, atol=1e-3, rtol=0)
