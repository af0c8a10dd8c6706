"""``streamsep models import`` of files that people own: what is known, and what is asked."""

import hashlib
import json
import re

import numpy as np
import onnx
import pytest

from streamsep.models import imported_path
from streamsep.models.contracts import mdx
from streamsep.models.contracts.mdx_table import PUBLISHED, MdxParameters
from streamsep.onnx_file import metadata_entry, read_metadata
from streamsep.separation import load_separator
from streamsep.spec import ModelSpec
from tests.support import models
from tools import contract_graphs

MODEL = 6


def refusal(done, code=MODEL):
    assert (done.code, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    return line


def spec_of(name):
    return ModelSpec.from_metadata(read_metadata(imported_path(name)))


class TestMdxByItsHash:
    @pytest.fixture
    def published(self, tmp_path, monkeypatch):
        """A file that is in the table, as lead vocals behind a window of 6,144."""
        path = models.mdx(tmp_path / "UVR_MDXNET_KARA.onnx", spec=False)
        known = MdxParameters(6_144, ("vocals",), 1.035, 2_048, 32, karaoke=True)
        monkeypatch.setitem(PUBLISHED, hashlib.md5(path.read_bytes()).hexdigest(), known)
        return path

    def test_one_word_is_enough(self, command, published):
        done = command("models", "import", published)
        assert done.code == 0, done.stderr
        told, last = done.stdout.splitlines()
        assert "the beat keeps the choir" in told
        assert last.endswith("UVR_MDXNET_KARA.onnx: streamsep live --model UVR_MDXNET_KARA")
        spec = spec_of("UVR_MDXNET_KARA")
        assert (spec.n_fft, spec.stems, spec.compensate) == (6_144, ("vocals",), 1.035)
        assert spec.karaoke
        info = command("models", "info", "UVR_MDXNET_KARA").stdout
        assert "the beat keeps the choir" in info
        assert load_separator(imported_path("UVR_MDXNET_KARA"), offline=True).spec == spec

    def test_a_copy_with_metadata_of_its_own_is_known_without_them(self, command, published):
        own = {"model_type": "UVR", "n_fft": "4096", "dim_f": "2048", "dim_t": "32"}
        entries = b"".join(metadata_entry(key, value) for key, value in own.items())
        published.write_bytes(published.read_bytes() + entries)
        assert command("models", "import", published, "--name", "copy").code == 0
        assert spec_of("copy").n_fft == 6_144

    def test_what_is_said_goes_before_what_is_known(self, command, published):
        arguments = ("--stem", "instrumental", "--compensate", 1.1, "--name", "mine")
        assert command("models", "import", published, *arguments).code == 0
        spec = spec_of("mine")
        assert (spec.n_fft, spec.stems, spec.compensate) == (6_144, ("beat",), 1.1)


def test_the_table_has_what_was_published():
    assert len(PUBLISHED) == 43
    assert all(re.fullmatch(r"[0-9a-f]{32}", key) for key in PUBLISHED)
    for known in PUBLISHED.values():
        # As mdx_spec takes them: each would load if a file with its hash were there.
        spec = mdx.mdx_spec(
            "x", ["b", 4, "f", "t"], known, output=["b", 4, "f", "t"], origin="", licence=""
        )
        assert spec.dim_f <= spec.n_fft // 2 + 1
    karaoke = {key[:6] for key, known in PUBLISHED.items() if known.karaoke}
    assert karaoke == {"2f5501", "1d64a6"}
    stems = {stem for known in PUBLISHED.values() for stem in known.stems}
    assert stems == {"vocals", "instrumental", "drums", "bass", "other", "reverb"}


@pytest.mark.parametrize("folder", [".", "model_data"])
def test_what_uvr_keeps_of_a_model_is_found_beside_it(command, tmp_path, folder):
    path = models.mdx(tmp_path / "mine.onnx", spec=False)
    (tmp_path / folder).mkdir(exist_ok=True)
    kept = tmp_path / folder / f"{hashlib.md5(path.read_bytes()).hexdigest()}.json"
    entry = {"mdx_dim_f_set": 2048, "mdx_dim_t_set": 5, "mdx_n_fft_scale_set": 5120}
    kept.write_text(json.dumps({**entry, "primary_stem": "Vocals", "is_karaoke": True}))
    assert command("models", "import", path).code == 0
    spec = spec_of("mine")
    assert (spec.n_fft, spec.karaoke) == (5_120, True)
    assert spec.origin.endswith(kept.name)


def test_the_metadata_of_an_unknown_copy_are_taken_with_a_word(command, tmp_path):
    path = models.mdx(tmp_path / "copy.onnx", spec=False)
    own = {"model_type": "UVR", "n_fft": "4096", "dim_f": "2048", "dim_t": "32", "stems": "2"}
    entries = b"".join(metadata_entry(key, value) for key, value in own.items())
    path.write_bytes(path.read_bytes() + entries)
    done = command("models", "import", path)
    assert done.code == 0
    assert "n_fft 4096 is what its own metadata say" in done.stderr
    assert spec_of("copy").n_fft == 4_096


class TestWaveforms:
    @pytest.mark.slow
    def test_htdemucs_says_it_all(self, command, tmp_path):
        """As Mixxx's fork has it: the output's sizes unknown, weights in a second file."""
        path = contract_graphs.waveform(
            tmp_path / "htdemucs.onnx",
            samples=343_980,
            stems=6,
            ports=("input", "output"),
            declared=False,
        )
        contract_graphs.scatter(path)
        done = command("models", "import", path)
        assert done.code == 0, done.stderr
        spec = spec_of("htdemucs")
        assert spec.stems == ("drums", "bass", "other", "vocals", "guitar", "piano")
        assert (spec.samples_per_run, spec.hop_length, spec.n_fft) == (343_980, 1_024, 2_048)
        assert command("models", "verify", "htdemucs").code == 0
        info = command("models", "info", "htdemucs").stdout
        assert "windows of 343980 samples, moved by 1024" in info
        assert "times faster than it plays; live: runs in " in info
        assert command("models", "list").code == 0

    @pytest.mark.slow
    def test_the_network_of_htdemucs_alone(self, command, tmp_path):
        path = contract_graphs.hybrid(
            tmp_path / "core.onnx", samples=343_980, gains=[(0.5, 0.5)] * 4
        )
        assert command("models", "import", path).code == 0
        spec = spec_of("core")
        assert (spec.spectrum_n_fft, spec.samples_per_run) == (4_096, 343_980)
        assert spec.stems == ("drums", "bass", "other", "vocals")
        assert command("models", "verify", "core").code == 0

    def test_options_say_what_the_graph_doesn_t(self, command, tmp_path):
        path = contract_graphs.waveform(tmp_path / "any.onnx", samples="n", stems=2, channels=1)
        arguments = ("--window", 1_280, "--stem", "vocals, instrumental", "--hop", 256)
        arguments += ("--context", 512, "--padding", "mirror", "--normalise", "rms")
        arguments += ("--level", -20, "--rate", 16_000)
        done = command("models", "import", path, *arguments)
        assert done.code == 0, done.stderr
        spec = spec_of("any")
        assert (spec.stems, spec.channels, spec.sample_rate) == (("vocals", "beat"), 1, 16_000)
        assert (spec.frames_per_run, spec.padding_frames, spec.padding) == (5, 2, "mirror")
        assert (spec.normalise, spec.level_db) == ("rms", -20.0)

    def test_what_is_said_goes_before_what_is_known(self, command, tmp_path):
        path = contract_graphs.waveform(
            tmp_path / "hs.onnx", samples=2_560, ports=("audio", "separated")
        )
        arguments = ("--normalise", "none", "--stem", "bass,drums,other,vocals")
        assert command("models", "import", path, *arguments).code == 0
        spec = spec_of("hs")
        assert (spec.normalise, spec.padding) == ("none", "mirror_hold")
        assert spec.stems == ("bass", "drums", "other", "vocals")

    def test_newest_samples_may_be_left_out_live(self, command, tmp_path):
        path = contract_graphs.waveform(tmp_path / "model.onnx", samples=44_100, stems=1)
        assert command("models", "import", path, "--lookahead", 4_000).code == 0
        live = load_separator(imported_path("model"), device="cpu")
        # Four hops of 1,024 at the least, and one that is faded over.
        assert live.delay >= 5 * 1_024

    @pytest.mark.parametrize(
        ("graph", "arguments", "says"),
        [
            ({"samples": "n"}, (), "takes any number of samples, [1, 2, any]"),
            ({"samples": 4_096, "stems": 2}, (), "gives 2 stems, and 0 are named"),
            ({"samples": 4_096}, ("--stem", "a,b"), "gives 4 stems, and 2 are named"),
            ({"samples": 4_096}, ("--window", 9_999), "takes 4096 samples, and the window given"),
            (
                {"samples": 4_096, "stems": 1},
                ("--hop", 512, "--context", 1_000),
                "1000 samples of context and 512 new ones leave 2584",
            ),
            ({"samples": 4_096, "stems": 1}, ("--padding", "mirror"), "the padding is mirror, and"),
            ({"samples": 4_096, "stems": 1}, ("--hop", 4_096), "check stems, hop and context"),
            ({"samples": 4_096, "stems": 1}, ("--stem", "../x"), "model stems is ('../x',)"),
        ],
    )
    def test_what_is_missing_or_doesn_t_fit(self, command, tmp_path, graph, arguments, says):
        path = contract_graphs.waveform(tmp_path / "model.onnx", **graph)
        line = refusal(command("models", "import", path, *arguments))
        assert says in line
        assert re.search(r"\(--[a-z, -]+\)$", line)  # the options that help
        assert not imported_path("model").exists()


def test_absurd_metadata_of_a_copy_are_refused_by_name(command, tmp_path):
    path = models.mdx(tmp_path / "copy.onnx", spec=False)
    own = {"model_type": "UVR", "n_fft": "-6144", "hop_length": "0", "dim_f": "2048"}
    entries = b"".join(metadata_entry(key, value) for key, value in (own | {"dim_t": "32"}).items())
    path.write_bytes(path.read_bytes() + entries)
    done = command("models", "import", path)
    assert (done.code, done.stdout) == (MODEL, "")
    assert "model n_fft is -6144" in done.stderr.splitlines()[-1]


class TestSpectraOfSeveralStems:
    def test_options_say_what_the_graph_doesn_t(self, command, tmp_path):
        path = contract_graphs.spectrum(tmp_path / "mdx23c.onnx", dim_f=1_024, frames=32, stems=2)
        arguments = ("--n-fft", 2_048, "--hop", 512, "--stem", "vocals,instrumental")
        done = command("models", "import", path, *arguments, "--normalised-stft")
        assert done.code == 0, done.stderr
        spec = spec_of("mdx23c")
        assert (spec.n_fft, spec.hop_length, spec.stems) == (2_048, 512, ("vocals", "beat"))
        assert spec.feature_gain == pytest.approx(2_048**-0.5)

    def test_each_stem_wants_a_name(self, command, tmp_path):
        path = contract_graphs.spectrum(tmp_path / "mdx23c.onnx", dim_f=1_024, frames=32, stems=2)
        line = refusal(command("models", "import", path, "--n-fft", 2_048))
        assert "estimates 2 stems, and the names given are vocals" in line
        assert line.endswith("(--stem)")


class TestStates:
    @pytest.fixture
    def make(self, tmp_path):
        def made(**graph):
            return contract_graphs.streaming(
                tmp_path / "model.onnx", **{"samples": 512, "gains": [(1.0, 0.0)] * 4} | graph
            )

        return made

    def test_stemgen_s_later_graphs_say_it_all(self, command, make):
        assert command("models", "import", make()).code == 0
        spec = spec_of("model")
        assert spec.stems == ("drums", "bass", "vocals", "other")
        assert (spec.mode, spec.samples_per_run, spec.lookahead_frames) == ("stateful", 512, 1)
        assert [state.output for state in spec.states] == ["next_past_audio", "next_older_audio"]
        assert command("models", "verify", "model").code == 0
        assert "every 12 ms" in command("models", "info", "model").stdout
        assert "23 ms" in command("models", "list").stdout

    def test_of_others_it_is_asked_how_late_they_are(self, command, make):
        path = make(gains=[(1.0, 0.0)], ports=("sound", "voice"))
        line = refusal(command("models", "import", path))
        assert "by how much the output of 512 samples is late isn't known" in line
        assert line.endswith("(--lookahead)")
        assert "1000 is said" in refusal(command("models", "import", path, "--lookahead", 1_000))
        assert command("models", "import", path, "--lookahead", 1_024).code == 0
        spec = spec_of("model")
        assert (spec.stems, spec.lookahead_frames) == (("vocals",), 2)


class TestOptionsOfOtherKinds:
    @pytest.mark.parametrize(
        ("make", "arguments", "says"),
        [
            (
                lambda path: models.mdx(path, spec=False),
                ("--n-fft", 4_096, "--window", 4_096),
                "--window can't be said of a graph of spectra",
            ),
            (
                lambda path: contract_graphs.waveform(path, samples=4_096, stems=1),
                ("--n-fft", 4_096, "--normalised-stft"),
                "--n-fft, --normalised-stft can't be said of a graph from sound to stems",
            ),
            (
                lambda path: contract_graphs.waveform(path, samples=4_096, stems=1),
                ("--normalise", "standard", "--level", -12),
                "--level goes with --normalise rms",
            ),
            (models.constant_mask, ("--stem", "beat"), "which says it all"),
        ],
    )
    def test_are_refused(self, command, tmp_path, make, arguments, says):
        done = command("models", "import", make(tmp_path / "model.onnx"), *arguments)
        assert (done.code, done.stdout) == (2, "")
        assert says in done.stderr
        assert not imported_path("model").exists()

    def test_n_fft_goes_before_a_table(self, command, tmp_path):
        path = models.mdx(tmp_path / "model.onnx", spec=False)
        entry = {"mdx_dim_f_set": 2048, "mdx_dim_t_set": 5, "mdx_n_fft_scale_set": 5120}
        params = tmp_path / f"{hashlib.md5(path.read_bytes()).hexdigest()}.json"
        params.write_text(json.dumps({**entry, "primary_stem": "Vocals"}))
        arguments = ("--params", params, "--n-fft", 6_144)
        assert command("models", "import", path, *arguments).code == 0
        assert spec_of("model").n_fft == 6_144


class TestTwoFiles:
    @pytest.fixture
    def scattered(self, tmp_path):
        path = models.mdx(tmp_path / "model.onnx", spec=False)
        return contract_graphs.scatter(path)

    @staticmethod
    def place(path, **entries):
        """Say something else about where the weights are."""
        model = onnx.load(path, load_external_data=False)
        (tensor,) = model.graph.initializer
        kept = {entry.key: entry.value for entry in tensor.external_data} | entries
        del tensor.external_data[:]
        for key, value in kept.items():
            tensor.external_data.add(key=key, value=value)
        path.write_bytes(model.SerializeToString())

    def test_become_one(self, command, tmp_path, scattered):
        done = command("models", "import", scattered, "--n-fft", 4096)
        assert done.code == 0, done.stderr
        copy = onnx.load(imported_path("model"), load_external_data=False)
        (tensor,) = copy.graph.initializer
        assert not tensor.external_data
        assert tensor.data_location == onnx.TensorProto.DEFAULT
        whole = onnx.load(scattered).graph.initializer[0]  # with its data
        np.testing.assert_array_equal(*map(onnx.numpy_helper.to_array, (tensor, whole)))
        assert command("models", "verify", "model").code == 0

    def test_weights_of_a_constant_and_of_a_branch_too(self, command, tmp_path):
        path = models.mdx(tmp_path / "model.onnx", spec=False)
        model = onnx.load(path)
        one = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [1], b"\0\0\x80?", raw=True)
        inner = [onnx.helper.make_node("Constant", [], ["one"], value=one)]
        out = [onnx.helper.make_tensor_value_info("one", onnx.TensorProto.FLOAT, [1])]
        branch = onnx.helper.make_graph(inner, "branch", [], out)
        raw = onnx.numpy_helper.from_array(np.eye(4, dtype="f4").reshape(4, 4, 1, 1), "kernel")
        (kernel,) = model.graph.initializer
        model.graph.node[0].ClearField("attribute")
        kernel.CopyFrom(raw)
        true = onnx.helper.make_tensor("true", onnx.TensorProto.BOOL, [], [True])
        model.graph.node[0].output[0] = "kept"
        model.graph.node.extend(
            [
                onnx.helper.make_node("Constant", [], ["yes"], value=true),
                onnx.helper.make_node(
                    "If", ["yes"], ["factor"], then_branch=branch, else_branch=branch
                ),
                onnx.helper.make_node("Mul", ["kept", "factor"], ["output"]),
            ]
        )
        weights = {"location": "weights", "size_threshold": 0, "convert_attribute": True}
        onnx.save(model, path, save_as_external_data=True, **weights)
        done = command("models", "import", path, "--n-fft", 4096)
        assert done.code == 0, done.stderr
        assert command("models", "verify", "model").code == 0

    def test_without_import_the_remedy_is_import(self, command, tmp_path, scattered):
        line = refusal(command("models", "info", f"{tmp_path}/model.onnx"))
        assert "keeps weights in other files" in line
        assert "take it in with 'streamsep models import'" in line

    @pytest.mark.parametrize(
        ("entries", "says"),
        [
            ({"location": "../model.onnx.data"}, "is no name of a file"),
            ({"location": "/etc/passwd"}, "is no name of a file"),
            ({"location": "..\\model.onnx.data"}, "is no name of a file"),
            ({"location": "C:x"}, "is no name of a file"),
            ({"location": ".."}, "is no name of a file"),
            ({"location": ""}, "is no name of a file"),
            ({"location": "nowhere"}, "which isn't beside it"),
            ({"location": "link"}, "which isn't beside it"),
            ({"location": "folder"}, "which isn't beside it"),
            ({"offset": "-1"}, "bytes from -1 on"),
            ({"offset": "1"}, "and model.onnx.data has 192"),
            ({"length": "188"}, "wants 188 bytes from 0 on for a tensor of 192"),
            ({"length": str(2**70)}, "for a tensor of 192"),
            ({"offset": "x"}, "says where weights are with"),
        ],
    )
    def test_only_a_file_beside_it_with_the_right_sizes(
        self, command, tmp_path, scattered, entries, says
    ):
        (tmp_path / "link").symlink_to("/etc/passwd")
        (tmp_path / "folder").mkdir()
        self.place(scattered, **entries)
        line = refusal(command("models", "import", scattered, "--n-fft", 4096))
        assert says in line
        assert not imported_path("model").exists()

    def test_sizes_that_no_model_has_are_refused_before_anything_is_read(self, command, scattered):
        model = onnx.load(scattered, load_external_data=False)
        model.graph.initializer[0].dims[0] = 2**40
        scattered.write_bytes(model.SerializeToString())
        line = refusal(command("models", "import", scattered, "--n-fft", 4096))
        assert "for a tensor of" in line

    def test_what_is_wrong_besides_is_said_of_the_file_that_was_named(self, command, scattered):
        model = onnx.load(scattered, load_external_data=False)
        model.graph.node[0].domain = "my.ops"
        scattered.write_bytes(model.SerializeToString())
        line = refusal(command("models", "import", scattered, "--n-fft", 4096))
        assert f"{scattered} has operators of the domain 'my.ops'" in line

    @pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\xff\xff\xff\xff\x0f"])
    def test_no_model_at_all(self, command, tmp_path, content):
        (tmp_path / "bad.onnx").write_bytes(content)
        assert "can't be loaded as a model" in refusal(
            command("models", "import", tmp_path / "bad.onnx")
        )


def test_other_kinds_are_told_what_they_have(command, tmp_path):
    mask = models.constant_mask(tmp_path / "mask.onnx")
    model = onnx.load(mask)
    del model.metadata_props[:]
    onnx.save(model, mask)
    line = refusal(command("models", "import", mask))
    assert "takes features tensor(float) (2, 1025, 1) and gives estimate" in line
    assert "expected one input and one output" in line
