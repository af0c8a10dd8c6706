from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.cli import main
from export.engine.checkpoint import write_content
from export.errors import CheckpointError, VerificationError
from export.onnx_graph.fp16 import is_fp16, to_fp16
from export.onnx_graph.int8 import quantize
from export.recipes.tutorial import onnx_export
from export.recipes.tutorial.network import NetworkConfig, VocalModel
from export.recipes.tutorial.onnx_model import build_model, make_spec
from export.recipes.tutorial.onnx_verify import Parity
from export.recipes.tutorial.onnx_weights import extract_weights
from export.recipes.tutorial.train_config import TrainConfig
from export.recipes.tutorial.trained_network import Checkpoint
from streamsep.errors import ModelError, OutputError
from streamsep.models.integrity import is_intact, kept_self_test
from streamsep.separation.backend import OnnxBackend
from streamsep.spec import ModelSpec


def make_checkpoint(*stems: str) -> Checkpoint:
    torch.manual_seed(0)
    stems = stems or ("vocals",)
    network = NetworkConfig(width=1 / 64, stems=len(stems))
    return Checkpoint(network, TrainConfig(stems=stems), VocalModel(network).state_dict())


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write what a run of the tutorial's task leaves."""
    fields = {"network": checkpoint.network.to_dict(), "train": checkpoint.train.to_dict()}
    write_content(path, fields | {"weights": checkpoint.weights, "step": 1, "history": []})


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "best.pt", make_checkpoint())
    return tmp_path / "best.pt"


@pytest.fixture
def exported(trained: Path, tmp_path: Path) -> Path:
    main_ok("onnx", "--checkpoint", trained, "--out", tmp_path / "m.onnx", "--steps", 4)
    return tmp_path / "m.onnx"


def main_ok(*arguments: object) -> None:
    main([str(a) for a in arguments])


def main_fails(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def test_taking_the_weights_out_leaves_the_network_whole() -> None:
    model = make_checkpoint().build()
    x = torch.rand(1, 1025, 16)
    with torch.no_grad():
        before = model(x)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    weights = extract_weights(model)
    weights.conv1.weight[:] = 0
    weights.gru1.hidden.bias[:] = 0
    weights.up1.even.bias[:] = 0
    with torch.no_grad():
        assert torch.equal(model(x), before)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in state.items())
    assert hasattr(model.conv1, "parametrizations")
    model.train()
    model(x).sum().backward()  # still trains


def test_folded_weights_equal_the_normed_ones() -> None:
    model = make_checkpoint().build()
    g = model.conv1.parametrizations.weight.original0
    v = model.conv1.parametrizations.weight.original1
    folded = (g * v / v.norm(dim=(1, 2), keepdim=True)).detach().permute(2, 1, 0)
    ours = extract_weights(model).conv1.weight
    # One norm over 3075 values, rounded in another order.
    assert np.abs(ours - folded.reshape(ours.shape).numpy()).max() < 1e-6


def test_graphs_are_opset_18_with_fixed_shapes() -> None:
    checkpoint = make_checkpoint()
    for mode in ("stateful", "sliding"):
        model = build_model(checkpoint, make_spec(checkpoint, mode, name="m"))
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        for value in (*model.graph.input, *model.graph.output):
            assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim)


def test_int8_reaches_every_product_of_the_stateful_graph() -> None:
    checkpoint = make_checkpoint()
    model = build_model(checkpoint, make_spec(checkpoint, "stateful", name="m"))
    before = model.SerializeToString()
    small = quantize(model)
    assert model.SerializeToString() == before
    operators = [n.op_type for n in small.graph.node]
    assert operators.count("MatMulInteger") == sum(n.op_type == "MatMul" for n in model.graph.node)
    assert "MatMul" not in operators
    # 8-bit weights, and the rest is a few biases and scales.
    assert small.ByteSize() < 0.35 * model.ByteSize()


def test_fp16_keeps_states_and_what_goes_in_and_out_in_float32(tmp_path: Path) -> None:
    checkpoint = make_checkpoint()
    model = build_model(checkpoint, make_spec(checkpoint, "stateful", name="m"))
    before = model.SerializeToString()
    half = to_fp16(model)
    assert model.SerializeToString() == before
    assert (is_fp16(half), is_fp16(model)) == (True, False)
    assert half.ByteSize() < 0.55 * model.ByteSize()
    for path, graph in ((tmp_path / "half.onnx", half), (tmp_path / "whole.onnx", model)):
        onnx.save(graph, path)
    got, expected = (OnnxBackend(tmp_path / f"{name}.onnx") for name in ("half", "whole"))
    rng = np.random.default_rng(0)
    for _ in range(200):  # states don't run away
        got.features[...] = expected.features[...] = rng.random(got.features.shape)
        got.run()
        expected.run()
    np.testing.assert_allclose(got.estimate, expected.estimate, atol=5e-3)


def test_int8_weights_leave_a_bit_free_for_processors_that_saturate() -> None:
    checkpoint = make_checkpoint()
    small = quantize(build_model(checkpoint, make_spec(checkpoint, "stateful", name="m")))
    weights = [
        onnx.numpy_helper.to_array(t)
        for t in small.graph.initializer
        if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2
    ]
    assert weights
    assert all(np.abs(w.astype(int)).max() <= 64 for w in weights)


@pytest.mark.parametrize(
    ("trained", "stems"),
    [
        (("vocals",), ("vocals",)),
        (("accompaniment", "vocals"), ("beat", "vocals")),
        (("drums", "Bass-2", "vocals"), ("drums", "Bass-2", "vocals")),
    ],
)
def test_stems_keep_their_names_but_for_the_beat(
    trained: tuple[str, ...], stems: tuple[str, ...]
) -> None:
    assert make_spec(make_checkpoint(*trained), "stateful", name="m").stems == stems


def test_export_says_what_it_measured(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "m.onnx"
    main_ok(
        "onnx",
        "--checkpoint",
        trained,
        "--out",
        out,
        "--mode",
        "sliding",
        "--steps",
        2,
        "--precision",
        "int8",
        "--score",
        "usdr",
        "2.5",
    )
    said = capsys.readouterr().out
    assert "int8" in said
    assert "SNR" in said
    assert [p.name for p in out.parent.iterdir()] == ["m.onnx"]


def test_verify_passes_on_its_own_checkpoint(
    trained: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok("verify", exported, "--checkpoint", trained, "--steps", 4)
    assert "largest error" in capsys.readouterr().out


def test_what_is_exported_is_sealed(exported: Path) -> None:
    assert is_intact(exported)
    assert kept_self_test(exported) is not None
    onnx.checker.check_model(onnx.load(exported))
    exported.write_bytes(exported.read_bytes()[:-1] + b"x")
    assert not is_intact(exported)


def test_verify_fails_on_another_checkpoint(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_checkpoint()
    other.weights["conv1.bias"] = other.weights["conv1.bias"] + 0.5
    save_checkpoint(tmp_path / "other.pt", other)
    code = main_fails("verify", exported, "--checkpoint", tmp_path / "other.pt", "--steps", 4)
    assert code == VerificationError.exit_code
    assert "differs from the network's by" in capsys.readouterr().err
    save_checkpoint(tmp_path / "beat.pt", make_checkpoint("accompaniment"))
    code = main_fails("verify", exported, "--checkpoint", tmp_path / "beat.pt", "--steps", 4)
    assert code == VerificationError.exit_code
    assert "stems" in capsys.readouterr().err


@pytest.fixture
def _broken_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export wrong weights: the one way to see what a failed verification leaves behind."""

    def wrong(checkpoint: Checkpoint, spec: ModelSpec) -> onnx.ModelProto:
        model = build_model(checkpoint, spec)
        bias = next(t for t in model.graph.initializer if t.name == "out_bias")
        bias.CopyFrom(onnx.numpy_helper.from_array(np.full(1025, 9, np.float32), "out_bias"))
        return model

    monkeypatch.setattr(onnx_export, "build_model", wrong)


@pytest.mark.usefixtures("_broken_graph")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_graph_that_fails_isnt_kept_and_the_old_file_is(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    out = tmp_path / "out" / "m.onnx"
    out.parent.mkdir()
    out.write_bytes(b"the model from before")
    code = main_fails(
        "onnx", "--checkpoint", trained, "--out", out, "--steps", 4, "--precision", precision
    )
    assert code == VerificationError.exit_code
    assert capsys.readouterr().err.startswith("error: the ")
    assert out.read_bytes() == b"the model from before"
    assert [p.name for p in out.parent.iterdir()] == ["m.onnx"]


def test_a_graph_that_makes_nan_is_refused() -> None:
    for precision in ("fp32", "fp16", "int8"):
        with pytest.raises(VerificationError, match="nan"):
            Parity(precision, float("nan"), float("nan"), 4, 1.0, 1.0).check()


def test_what_is_no_model_is_said_so(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    for name in ("noise.onnx", "absent.onnx"):
        assert (
            main_fails("verify", tmp_path / name, "--checkpoint", trained) == ModelError.exit_code
        )
        assert name in capsys.readouterr().err


def test_missing_checkpoints_and_unwritable_outputs_are_said_so(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main_fails("onnx", "--checkpoint", tmp_path / "no.pt", "--out", tmp_path / "m.onnx")
    assert code == CheckpointError.exit_code
    (tmp_path / "file").write_text("in the way")
    code = main_fails("onnx", "--checkpoint", trained, "--out", tmp_path / "file" / "m.onnx")
    assert code == OutputError.exit_code
    assert "m.onnx" in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, export.cli\n"
        "try: export.cli.cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'onnx', 'librosa', 'musdb', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
