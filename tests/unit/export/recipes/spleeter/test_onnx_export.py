"""The graph of Spleeter's U-Net: proven against the network, and run by every engine there is."""

import numpy as np
import pytest
import torch

from export.errors import VerificationError
from export.recipes.spleeter.network import CHANNELS
from export.recipes.spleeter.onnx_export import (
    LICENCE,
    MAX_ERROR,
    build_spleeter,
    spleeter_spec,
    verify_spleeter,
    write_spleeter,
)
from export.recipes.spleeter.weights import build
from streamsep.models.integrity import is_intact, kept_self_test
from streamsep.onnx_file import read_metadata
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.schedule import choose_schedule
from streamsep.separation.sliding import SlidingSeparator
from streamsep.spec import ModelSpec
from testing.signals import music
from tests.support.cases import one_fast
from tests.unit.export.recipes.spleeter.conftest import NARROW, random_arrays


@pytest.mark.slow
@pytest.mark.parametrize("precision", one_fast(["fp32", "fp16"]))
def test_a_file_is_proven_and_sealed(tmp_path, narrow, precision):
    path = tmp_path / "studio.onnx"
    spec = spleeter_spec(name="studio", licence=LICENCE, git_commit="abc")
    assert write_spleeter(build(random_arrays(NARROW, 0)), spec, path, precision) <= MAX_ERROR
    assert ModelSpec.from_metadata(read_metadata(path)) == spec
    assert is_intact(path)
    assert kept_self_test(path)
    assert [p.name for p in tmp_path.iterdir()] == ["studio.onnx"]


@pytest.mark.slow
def test_half_the_bytes_in_fp16():
    network, spec = build(random_arrays(CHANNELS, 0)), spleeter_spec(name="studio")
    sizes = [build_spleeter(network, spec, p).ByteSize() / 1e6 for p in ("fp16", "fp32")]
    assert sizes[0] < 20
    assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.01)


@pytest.mark.slow
def test_another_networks_file_fails_and_is_not_kept(tmp_path, narrow, monkeypatch):
    path, spec = tmp_path / "studio.onnx", spleeter_spec(name="studio")
    networks = [build(random_arrays(NARROW, seed)) for seed in (0, 1)]
    write_spleeter(networks[0], spec, path, "fp32")
    before = path.read_bytes()
    with pytest.raises(VerificationError, match="differ from the network's by"):
        verify_spleeter(path, networks[1], "fp32")
    # A norm that the graph forgot would show alike.
    monkeypatch.setattr("export.recipes.spleeter.onnx_export._norm", lambda g, x, *_: x)
    with pytest.raises(VerificationError, match="differ"):
        write_spleeter(networks[1], spec, path, "fp32")
    assert path.read_bytes() == before
    with torch.no_grad():
        networks[0].head.bias.fill_(torch.nan)
    with pytest.raises(VerificationError, match="nan"):
        verify_spleeter(path, networks[0], "fp32")


@pytest.mark.slow
def test_every_engine_runs_it(tmp_path, narrow):
    """Offline, nearly live and read ahead: stems sum to the mixture, and all hear much the same."""
    path = tmp_path / "studio.onnx"
    write_spleeter(build(random_arrays(NARROW, 0)), spleeter_spec(name="studio"), path)
    mixture = music(7.0)
    offline = load_separator(path, device="cpu", offline=True)
    live = OnnxBackend(path, device="cpu")
    nearly_live = SlidingSeparator(live, schedule=choose_schedule(live.spec, 0.01))
    ahead = OnnxBackend(path, device="cpu", runs_at_once=2)
    schedule = choose_schedule(ahead.spec, 0.01, read_ahead=True)
    heard = []
    for engine in (offline, nearly_live, SlidingSeparator(ahead, schedule=schedule)):
        chunked = ChunkedSeparator(engine)
        stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
        np.testing.assert_allclose(stems.sum(axis=0), mixture, atol=1e-6)  # one sum of float32
        heard.append(stems[0])
    assert nearly_live.schedule.latency < 0.3 * 44_100
    for vocals in heard:
        assert 0.05 * np.std(mixture) < np.std(vocals) < np.std(mixture)
        # Random weights look far around: a window that begins elsewhere changes some of it.
        assert np.corrcoef(vocals.ravel(), heard[0].ravel())[0, 1] > 0.8
