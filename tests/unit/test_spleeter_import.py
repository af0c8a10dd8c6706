"""``streamsep models import vocals.onnx accompaniment.onnx``."""

import onnx
import pytest

from streamsep.models import imported_path
from streamsep.models.contracts.spleeter import is_spleeter
from streamsep.onnx_file import read_metadata
from tests.contract.test_spleeter import pair
from tests.support.cases import one_fast
from tools import contract_graphs


@pytest.mark.slow
@pytest.mark.parametrize("order", one_fast([1, -1]))
def test_two_files_are_one_model_in_whichever_order(command, tmp_path, order):
    paths, _ = pair(tmp_path)
    done = command("models", "import", *paths[::order], "--licence", "MIT")
    assert done.code == 0, done.stderr
    assert done.stdout.endswith("spleeter.onnx: streamsep live --model spleeter\n")
    path = imported_path("spleeter")
    assert "vocals.onnx for the vocals" in read_metadata(path)["streamsep"]
    assert command("models", "verify", "spleeter").code == 0


def test_one_alone(command, tmp_path):
    paths, _ = pair(tmp_path)
    done = command("models", "import", paths[0])
    assert (done.code, done.stdout) == (6, "")
    assert "is one of Spleeter's two graphs" in done.stderr
    assert "name both files" in done.stderr


def test_others_than_these_two(command, tmp_path):
    (path, _), _ = pair(tmp_path)
    other = contract_graphs.waveform(tmp_path / "other.onnx", samples=4_096)
    for files in ((path, other), (path, path, path)):
        done = command("models", "import", *files)
        assert (done.code, done.stdout) == (6, "")
        assert len(done.stderr.splitlines()) == 1


def test_versions_of_operators_that_differ(command, tmp_path):
    (path, other), _ = pair(tmp_path)
    model = onnx.load(other)
    model.opset_import[0].version = 13
    onnx.save(model, other)
    assert "different versions of operators" in command("models", "import", path, other).stderr


@pytest.mark.parametrize(
    ("shape", "is_one"),
    [
        ((2, "n", 512, 1_024), True),
        (("c", "n", "t", 1_024), True),
        (("batch", 4, "dim_f", "dim_t"), False),  # MDX-Net of any size
        (("batch", 4, 2_048, 256), False),
        ((1, 2, 1_024), False),
    ],
)
def test_what_is_one_of_the_two(shape, is_one):
    assert is_spleeter(shape) is is_one
