"""Graphs of new samples and states, as StemgenRT's later ones: what comes out, and when."""

import numpy as np
import onnx
import pytest

from streamsep.models.contracts.waveform import (
    WaveformParameters,
    paired_states,
    stateful_spec,
)
from streamsep.onnx_file import metadata_entry
from streamsep.realtime import Session
from streamsep.separation import load_separator
from streamsep.separation.backend import graph_ports
from testing.sessions import play
from testing.signals import music
from tests.contract.test_waveform import stems_of
from tools import contract_graphs

HOP, RATE = 128, 44_100
GAINS = ((0.5, 0.25), (1.0, 0.0), (0.0, -0.5), (0.125, 0.125))
FLOAT32 = 1e-6  # two products and sums a sample, on sound of amplitude 0.5


@pytest.fixture
def path(tmp_path):
    return imported(contract_graphs.streaming(tmp_path / "m.onnx", samples=HOP, gains=GAINS))


def imported(path, **known):
    inputs, outputs = graph_ports(path)
    shapes = [{port.name: port.shape for port in ports} for ports in (inputs, outputs)]
    spec = stateful_spec(
        path.stem,
        (inputs[0].name, inputs[0].shape),
        outputs[0].shape,
        paired_states(*shapes),
        WaveformParameters(**known),
        origin="",
        licence="",
    )
    (entry,) = spec.to_metadata().items()
    path.write_bytes(path.read_bytes() + metadata_entry(*entry))
    return path


def expected(mixture):
    before = np.pad(mixture, ((0, 0), (HOP, 0)))[:, : mixture.shape[-1]]
    return [a * mixture + b * before for a, b in GAINS]


@pytest.mark.parametrize("offline", [False, True])
def test_states_are_carried_from_hop_to_hop(path, offline):
    mixture = music(0.5)
    separator = load_separator(path, device="cpu", offline=offline)
    assert separator.stems == ("drums", "bass", "vocals", "other", "rest")
    assert (separator.block_size, separator.delay) == (HOP, HOP)  # 5.8 ms in all
    for _ in range(2):  # what was heard before is forgotten
        stems = stems_of(separator, mixture)
        np.testing.assert_allclose(stems[:4], expected(mixture), atol=FLOAT32, rtol=0)


@pytest.mark.parametrize("frames", [64, 100, 128, 512])
def test_reported_latency_is_measured_latency(path, frames):
    separator = load_separator(path, device="cpu")
    session = Session(separator, device_frames=frames, slack=128, gains={"bass": 1.0})
    signal = np.zeros((2, 4_000), np.float32)
    signal[:, 777] = 1.0
    output = play(session, signal, frames)
    assert session.snapshot().dropouts == 0
    assert np.flatnonzero(output[0]).tolist() == [777 + session.latency.session]


def test_silence_stays_silence_and_nan_is_forgotten(tmp_path):
    path = contract_graphs.streaming(tmp_path / "m.onnx", samples=HOP, gains=GAINS)
    model = onnx.load(path)
    model.graph.node[4].output[0] = "sum"
    model.graph.node.append(onnx.helper.make_node("Add", ["sum", "bias"], ["separated_chunk"]))
    bias = onnx.numpy_helper.from_array(np.array([0.1], np.float32), "bias")
    model.graph.initializer.append(bias)
    onnx.save(model, path)
    separator = load_separator(imported(path), device="cpu")
    assert not stems_of(separator, np.zeros((2, 4_000), np.float32)).any()
    # A loud block that overflows is left out, and what follows is as if it hadn't been.
    out = np.zeros((5, 2, HOP), np.float32)
    quiet = music(HOP / RATE)
    separator.process(np.full((2, HOP), np.inf, np.float32), out)
    for _ in range(3):
        separator.process(quiet, out)
    np.testing.assert_allclose(out[1], quiet + np.float32(0.1), atol=FLOAT32, rtol=0)


def test_import_knows_stemgen_s_and_asks_of_others():
    ports = {"audio_chunk": (1, 2, 512), "fusion_hidden": (2, 1, 1_000)}
    after = {"separated_chunk": (1, 4, 2, 512), "next_fusion_hidden": (2, 1, 1_000)}
    (state,) = paired_states(ports, after)
    assert (state.input, state.output, state.shape) == (
        "fusion_hidden",
        "next_fusion_hidden",
        (2, 1, 1_000),
    )
    assert paired_states(ports, {**after, "next_fusion_hidden": (2, 1, 999)}) == ()
