"""Invariant 3: exported = trained, over many steps: both graphs, heads and precisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from export.errors import VerificationError
from export.recipes.tutorial.network import HEADS, NetworkConfig, VocalModel
from export.recipes.tutorial.onnx_export import write_model
from export.recipes.tutorial.onnx_model import make_spec
from export.recipes.tutorial.onnx_verify import MAX_ERROR, MIN_SNR_DB, verify
from export.recipes.tutorial.train_config import TrainConfig
from export.recipes.tutorial.trained_network import Checkpoint
from streamsep.spec import ModelSpec
from tests.support.cases import one_fast

STEPS = {"stateful": 200, "sliding": 2}  # 18 s of sound; the network forgets within one


def make_checkpoint(head: str, seed: int = 0, stems: tuple[str, ...] = ("vocals",)) -> Checkpoint:
    torch.manual_seed(seed)
    network = NetworkConfig(width=1 / 32, head=head, stems=len(stems))
    train = TrainConfig(head=head, stems=stems)
    return Checkpoint(network, train, VocalModel(network).state_dict())


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small products: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    """Two different channels, whose level rises and falls through silence."""
    rng = np.random.default_rng(0)
    level = np.maximum(0, np.sin(np.linspace(0, 40, 18 * 44_100)))
    return (0.3 * level * rng.standard_normal((2, level.size))).astype(np.float32)


@pytest.mark.parametrize("stems", [("vocals",), ("drums", "bass", "vocals")])
@pytest.mark.parametrize("head", one_fast(HEADS))
@pytest.mark.parametrize("mode", one_fast(["stateful", "sliding"]))
def test_float_graphs_equal_the_network(
    tmp_path: Path, wave: np.ndarray, mode: str, head: str, stems: tuple[str, ...]
) -> None:
    checkpoint = make_checkpoint(head, stems=stems)
    spec = make_spec(checkpoint, mode, name="parity")
    parity = write_model(checkpoint, spec, tmp_path / "m.onnx", "fp32", wave, STEPS[mode])
    assert parity.precision == "fp32"
    # Every frame from the very first on, but for those whose look-ahead lies past the end.
    frames = STEPS[mode] * spec.frames_per_run
    assert parity.frames == (frames - 9 if mode == "stateful" else frames)
    assert parity.max_error <= MAX_ERROR / 2  # sums are shorter here than at full width


@pytest.mark.parametrize("head", one_fast(HEADS))
@pytest.mark.parametrize("mode", one_fast(["stateful", "sliding"]))
def test_int8_graphs_keep_their_own_tolerance(
    tmp_path: Path, wave: np.ndarray, mode: str, head: str
) -> None:
    checkpoint = make_checkpoint(head)
    spec = make_spec(checkpoint, mode, name="parity", scores={"usdr": 1.5})
    parity = write_model(checkpoint, spec, tmp_path / "m.onnx", "int8", wave, STEPS[mode])
    assert parity.precision == "int8"
    assert MIN_SNR_DB <= parity.snr_db < 90  # so alike would mean: not quantised


def test_another_networks_file_fails_with_the_figure(tmp_path: Path, wave: np.ndarray) -> None:
    checkpoint = make_checkpoint("direct")
    spec = make_spec(checkpoint, "stateful", name="parity")
    path = tmp_path / "m.onnx"
    write_model(checkpoint, spec, path, "fp32", wave, 20)
    parity = verify(path, make_checkpoint("direct", seed=1), wave, 20)
    with pytest.raises(VerificationError, match=r"differs from the network's by [0-9.]+;"):
        parity.check()


def test_the_networks_own_lookahead_is_all_the_stateful_graph_has() -> None:
    spec = make_spec(make_checkpoint("gated"), "stateful", name="parity")
    assert (spec.frames_per_run, spec.lookahead_frames, spec.lag_frames) == (4, 8, 5)
    # From the newest sample of a block to the oldest one of its estimate: block, lag, window.
    hops = spec.frames_per_run + spec.lag_frames
    assert hops * spec.hop_length + spec.hop_length == 10_240


def test_the_spec_travels_in_the_file(tmp_path: Path, wave: np.ndarray) -> None:
    import onnxruntime as ort

    checkpoint = make_checkpoint("gated")
    spec = make_spec(
        checkpoint,
        "stateful",
        name="parity",
        licence="CC0-1.0",
        training_data="noise",
        scores={"usdr": 1.5},
        git_commit="abc",
    )
    for precision in ("fp32", "int8"):
        path = tmp_path / f"{precision}.onnx"
        write_model(checkpoint, spec, path, precision, wave, 10)
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert ModelSpec.from_metadata(session.get_modelmeta().custom_metadata_map) == spec
        shapes = {v.name: tuple(v.shape) for v in session.get_inputs()}
        assert shapes.pop("features") == (2, 1025, 4)
        assert shapes == {s.input: s.shape for s in spec.states}
        assert tuple(session.get_outputs()[0].shape) == (1, 2, 1025, 4)
