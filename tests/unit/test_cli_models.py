"""``streamsep models``: taking in, listing, describing, checking and removing."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile as sf

from streamsep.models import BUILTIN, find_model, imported_path
from streamsep.models.contracts.mdx import fingerprint
from streamsep.models.integrity import model_files
from streamsep.models.quality import file_problem
from streamsep.onnx_file import read_metadata
from streamsep.separation import load_separator
from streamsep.spec import ModelSpec
from testing.signals import music
from tests.support import models

MODEL, USAGE = 6, 2
MODEL_DATA = {
    "compensate": 1.03,
    "mdx_dim_f_set": 2048,
    "mdx_dim_t_set": 5,
    "mdx_n_fft_scale_set": 6144,
    "primary_stem": "Instrumental",
}


@pytest.fixture
def published(tmp_path):
    """A file as UVR has them: no word about its transform in it."""
    return models.mdx(tmp_path / "UVR-MDX-NET Inst 1.onnx", spec=False)


def table(tmp_path, path, entry, key=None):
    digest = key or hashlib.md5(path.read_bytes()[-10_000 * 1024 :]).hexdigest()
    (tmp_path / "model_data.json").write_text(json.dumps({"0" * 32: {}, digest: entry}))
    return tmp_path / "model_data.json"


def one_line(done, code=MODEL):
    assert (done.code, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    return line


class TestImport:
    def test_with_uvr_s_parameters(self, command, tmp_path, published):
        params = table(tmp_path, published, MODEL_DATA)
        before = published.read_bytes()
        done = command("models", "import", published, "--params", params, "--licence", "MIT")
        assert done.code == 0, done.stderr
        path = imported_path("UVR-MDX-NET-Inst-1")
        assert done.stdout == f"{path}: streamsep live --model UVR-MDX-NET-Inst-1\n"
        assert published.read_bytes() == before
        assert path.read_bytes().startswith(before)
        assert sorted(path.parent.iterdir()) == [path]
        spec = load_separator(path, offline=True, device="cpu").spec
        assert (spec.n_fft, spec.dim_f, spec.frames_per_run) == (6144, 2048, 32)
        assert (spec.stems, spec.residual) == (("beat",), "vocals")
        assert (spec.compensate, spec.lookahead_frames, spec.licence) == (1.03, 3, "MIT")
        assert "UVR-MDX-NET Inst 1.onnx, MD5 of its end " in spec.origin
        onnx.checker.check_model(onnx.load(path))

    def test_with_the_file_that_uvr_keeps_of_one_model(self, command, tmp_path, published):
        params = tmp_path / f"{fingerprint(published)}.json"
        params.write_text(json.dumps(MODEL_DATA))
        done = command("models", "import", published, "--params", params)
        assert done.code == 0, done.stderr
        spec = load_separator(imported_path("UVR-MDX-NET-Inst-1"), offline=True).spec
        assert (spec.n_fft, spec.compensate) == (6144, 1.03)
        other = params.with_name(f"{'0' * 32}.json")
        params.rename(other)
        line = one_line(command("models", "import", published, "--params", other, "--name", "x"))
        assert f"{other} is of the model {'0' * 32}, and " in line

    def test_only_the_end_of_a_long_file_is_hashed(self, command, tmp_path):
        path = models.mdx(tmp_path / "long.onnx", spec=False)
        path.write_bytes(models.filler(10_240_000) + path.read_bytes())
        params = table(tmp_path, path, MODEL_DATA)
        assert command("models", "import", path, "--params", params).code == 0

    @pytest.mark.parametrize("name", ["mine", "mine.onnx"])
    def test_the_name_is_what_separate_and_live_take(self, command, tmp_path, published, name):
        done = command("models", "import", published, "--n-fft", 4096, "--name", name)
        assert done.code == 0, done.stderr
        sf.write(tmp_path / "song.wav", music(1.0).T, 44_100, subtype="FLOAT")
        done = command("separate", tmp_path / "song.wav", "--model", "mine")
        assert done.code == 0, done.stderr
        stems = [sf.read(tmp_path / f"song.{stem}.wav")[0] for stem in ("vocals", "beat")]
        np.testing.assert_allclose(sum(stems), sf.read(tmp_path / "song.wav")[0], atol=1e-6)
        assert np.std(stems[0]) > 10 * np.std(stems[1])  # it gives back what it gets
        assert find_model("mine") == find_model("mine.onnx") == imported_path("mine")
        assert find_model("elsewhere/mine.onnx") != imported_path("mine")

    def test_the_file_itself_means_its_copy_from_then_on(
        self, command, tmp_path, monkeypatch, published
    ):
        monkeypatch.chdir(tmp_path)
        name = "own.onnx"
        published.rename(name)
        sf.write("song.wav", music(0.5).T, 44_100)
        run = ["separate", "song.wav", "--model", name]
        assert "take it in with 'streamsep models import'" in command(*run).stderr
        assert command("models", "import", name, "--n-fft", 4096).code == 0
        assert command(*run).code == 0
        assert find_model(name) == imported_path(name)
        models.mdx(tmp_path / name, n_fft=6144)  # another of that name
        assert find_model(name) == Path(name)

    def test_one_of_our_own(self, command, identity_model):
        assert command("models", "import", identity_model, "--name", "quiet").code == 0
        done = command("models", "verify", "quiet")
        assert (done.code, done.stdout.count("  ok  ")) == (0, 3)

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            (None, "knows no model"),
            ({"config_yaml": "model_2_stem_full_band_8k.yaml"}, "other kinds of models"),
            (MODEL_DATA | {"mdx_dim_t_set": 8}, "with dim_t 256"),
            (MODEL_DATA | {"mdx_dim_f_set": 3072}, "with dim_f 3072"),
            (MODEL_DATA | {"mdx_n_fft_scale_set": 2048}, "model dim_f is 2048"),
            (MODEL_DATA | {"primary_stem": "../../x"}, "model stems"),
            ("x" * 9, "other kinds of models"),
        ],
    )
    def test_parameters_that_don_t_fit(self, command, tmp_path, published, entry, says):
        params = table(tmp_path, published, entry or MODEL_DATA, key=None if entry else "f" * 32)
        line = one_line(command("models", "import", published, "--params", params))
        assert says in line
        assert not imported_path("UVR-MDX-NET-Inst-1").exists()

    @pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
    def test_parameters_that_are_none(self, command, tmp_path, published, content):
        (tmp_path / "bad.json").write_text(content)
        line = one_line(command("models", "import", published, "--params", tmp_path / "bad.json"))
        assert "can't be read as parameters of models" in line

    def test_without_parameters(self, command, published):
        done = command("models", "import", published)
        assert done.code == USAGE
        assert "expected --params model_data.json, or --n-fft" in done.stderr

    @pytest.mark.parametrize("name", ["../mine", ".mine", "live", "center-cut", "", "a b"])
    def test_names_that_can_t_be(self, command, published, name):
        arguments = ["models", "import", published, "--n-fft", 4096, "--name", name]
        done = command(*arguments)
        if name == "":  # as if there were none
            assert done.code == 0
            done = command(*arguments)
        assert one_line(done).startswith("streamsep: ")

    @pytest.mark.parametrize("name", [".", "nothing.onnx"])
    def test_no_file(self, command, name):
        assert f"no model file at {name}" in one_line(command("models", "import", name))

    def test_a_hostile_file(self, command, published):
        model = onnx.load(published)
        model.graph.node[0].domain = "my.ops"
        published.write_bytes(model.SerializeToString())
        assert "my.ops" in one_line(command("models", "import", published, "--n-fft", 4096))

    def test_a_model_that_gives_nan_leaves_nothing(self, command, tmp_path):
        kernel = np.full((4, 4, 3), 3e38, np.float32)
        path = models.mdx(tmp_path / "inf.onnx", kernel=kernel, spec=False)
        line = one_line(command("models", "import", path, "--n-fft", 4096))
        assert "gives NaN or Inf" in line
        assert list(imported_path("inf").parent.iterdir()) == []


class TestInstalled:
    @pytest.fixture(autouse=True)
    def mine(self, command, published):
        arguments = ("--n-fft", 4096, "--name", "mine", "--licence", "[bold]free")
        assert command("models", "import", published, *arguments).code == 0
        return imported_path("mine")

    def test_list(self, command, mine, monkeypatch):
        monkeypatch.setenv("COLUMNS", "240")
        mine.with_name("broken.onnx").write_bytes(b"no model")
        done = command("models", "list")
        assert done.code == 0
        rows = {line.split()[0]: line for line in done.stdout.splitlines()}
        assert list(rows) == ["name", *BUILTIN, "broken", "mine", "center-cut"]
        assert "46 ms" in rows["live"]
        assert "GPL-3.0" in rows["live"]
        score = ModelSpec.from_metadata(read_metadata(find_model("live"))).scores["beat_usdr_db"]
        assert f"  {score:.1f} dB  " in rows["live"]
        # 4,096 samples of one frame and two trimmed: at least that, the machine adds its own.
        assert "from 139 ms" in rows["mine"]
        assert "[bold]free" in rows["mine"]
        assert "damaged: " in rows["broken"]

    @pytest.mark.parametrize("name", ["mine", "live"])
    def test_info(self, command, name):
        done = command("models", "info", name)
        assert done.code == 0, done.stderr
        for said in ("name:", "from:", "licence:", "stems:", "latency:", "speed here:", "scores:"):
            assert f"\n{said}" in f"\n{done.stdout}"
        assert " ms a run on " in done.stdout
        if name == "mine":
            assert "times faster than it plays; live: runs in " in done.stdout

    def test_info_of_a_plugin_has_what_a_file_s_has(self, command):
        done = command("models", "info", "center-cut")
        assert done.code == 0, done.stderr
        for said in ("name:", "from:", "licence:", "stems:", "latency:", "speed here:", "scores:"):
            assert f"\n{said}" in f"\n{done.stdout}"

    @pytest.mark.slow
    def test_verify_all(self, command):
        done = command("models", "verify")
        assert done.code == 0, done.stdout
        assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
            *(f"{name}:" for name in BUILTIN),
            "mine:",
            "center-cut:",
        ]
        for line in ("hash: as it was made", "self-test: as when it was made"):
            assert done.stdout.count(f"  ok  {line}\n") == len(BUILTIN) + 1

    @pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
    def test_one_changed_bit_is_found(self, command, mine, place):
        content = bytearray(mine.read_bytes())
        content[int(len(content) * place)] ^= 1
        mine.write_bytes(content)
        done = command("models", "verify", "mine")
        assert done.code == MODEL
        assert " bad  " in done.stdout
        assert "mine: not as it should be" in done.stderr

    # Graph, weights, self-test, the hash's name, the hash.
    @pytest.mark.parametrize("place", [50, 3_000_000, -180, -75, -3])
    def test_a_damaged_built_in_file_is_refused(self, command, tmp_path, monkeypatch, place):
        copy = tmp_path / "package" / "light.onnx"
        copy.parent.mkdir()
        content = bytearray(find_model("light").read_bytes())
        content[place] ^= 1
        copy.write_bytes(content)
        monkeypatch.setattr("streamsep.models.library.__file__", str(copy.with_name("library.py")))
        done = command("models", "verify", "light")
        assert done.code == MODEL
        assert " bad  " in done.stdout
        assert "self-test" not in done.stdout

    def test_a_damaged_graph_is_its_variants_damage(self, command, tmp_path, monkeypatch):
        package = tmp_path / "package"
        package.mkdir()
        for name in ("live", "light"):
            shutil.copy(find_model(name), package)
        content = bytearray(find_model("light").read_bytes())
        content[3_000_000] ^= 1
        (package / "light.onnx").write_bytes(content)
        monkeypatch.setattr("streamsep.models.library.__file__", str(package / "library.py"))
        assert command("models", "verify", "live").code == MODEL
        assert file_problem("live") == f"{package / 'light.onnx'} is damaged"

    @pytest.mark.slow
    def test_a_variant_is_imported_with_its_graph(self, command, tmp_path):
        assert command("models", "import", find_model("live"), "--name", "alone").code == 0
        path = imported_path("alone")
        assert model_files(path) == [path]
        assert command("models", "verify", "alone").code == 0
        assert "prior:       studio, which isn't there" in command("models", "info", "alone").stdout
        assert "prior:       studio, " in command("models", "info", "live").stdout

    def test_numbers_that_changed_are_found(self, command, mine, monkeypatch):
        monkeypatch.setattr("streamsep.cli.models.run_self_test", lambda backend: (0.5, 0.0, 0.0))
        done = command("models", "verify", "mine")
        assert done.code == MODEL
        assert " bad  the self-test gives (0.5, 0.0, 0.0)" in done.stdout

    def test_remove(self, command, mine):
        assert command("models", "remove", "mine").code == 0
        assert not mine.exists()
        assert "mine was never imported" in one_line(command("models", "remove", "mine"))

    @pytest.mark.parametrize("name", ["live", "../models/mine", "../../song"])
    def test_only_what_was_imported_is_removed(self, command, mine, name):
        assert "expected an imported model: mine" in one_line(command("models", "remove", name))
        assert mine.exists()
