"""The built-in models may be in the source tree, in a package of their own, or not there."""

import shutil

import pytest

from streamsep.errors import ModelError
from streamsep.live.model_switcher import lighter_model
from streamsep.models import BUILTIN, builtin_models, find_model, known_models, library
from streamsep.models.library import WEIGHTS

MODEL = 6


@pytest.fixture
def code_alone(tmp_path, monkeypatch):
    """The program as its own wheel installs it: no weights beside the code."""
    (tmp_path / "code").mkdir()
    monkeypatch.setattr(library, "__file__", str(tmp_path / "code" / "library.py"))


@pytest.fixture
def weights_package(tmp_path, monkeypatch):
    """What the wheel of the models installs, but for the size of its files."""
    package = tmp_path / "site" / WEIGHTS
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in BUILTIN:
        shutil.copy(find_model("light"), package / f"{name}.onnx")
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_a_source_tree_runs_its_own(weights_package):
    assert {path.parent for path in builtin_models().values()} == {find_model(None).parent}
    assert find_model(None).parent != weights_package


def test_a_package_has_them_where_the_code_has_not(weights_package, code_alone):
    assert builtin_models() == {name: weights_package / f"{name}.onnx" for name in BUILTIN}
    assert find_model(None) == weights_package / f"{BUILTIN[0]}.onnx"


@pytest.mark.usefixtures("code_alone")
class TestWithoutThem:
    @pytest.mark.parametrize("name", [None, *BUILTIN])
    def test_each_that_is_asked_for_is_an_error_that_names_the_package(self, name):
        with pytest.raises(ModelError) as raised:
            find_model(name)
        assert raised.value.expected == "the package streamsep-models"

    def test_a_command_ends_in_one_line(self, command, tmp_path):
        done = command("separate", tmp_path)
        assert (done.code, done.stdout) == (MODEL, "")
        assert done.stderr == (
            "streamsep: the built-in model live isn't installed; expected the package "
            "streamsep-models; pip install streamsep-models, or name a model of your own\n"
        )

    def test_models_of_one_s_own_and_plugins_run(self, identity_model):
        assert not set(BUILTIN) & set(known_models())
        assert "center-cut" in known_models()
        assert find_model(str(identity_model)) == identity_model
        assert lighter_model(identity_model, [identity_model]) is None
