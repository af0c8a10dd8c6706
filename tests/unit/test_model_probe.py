"""Which models a run gets here: files that are there and whole, and speed as measured."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import BackendError, ModelError
from streamsep.live import model_probe
from streamsep.live.config import LiveConfig
from streamsep.live.machine import cores_here, free_memory, run_schedule
from streamsep.live.model_probe import choose_for_files, open_run_models
from streamsep.models import find_model
from streamsep.models.quality import BEST, BY_QUALITY, LIGHTER, builtin_file, file_problem
from streamsep.separation import load_separator
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend
from tests.support.weights import Weights

PCM_24 = 2.0**-23


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return Weights(tmp_path / "weights", monkeypatch)


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


def opened(**settings):
    return open_run_models(LiveConfig(device="cpu", **settings))


def names(found):
    return [model.stem for model in found]


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class TestFiles:
    def test_one_that_isn_t_installed_is_named(self, weights):
        assert file_problem("studio") == "studio.onnx isn't installed"
        assert file_problem("live") == ""

    def test_one_that_is_damaged_is_named(self, weights):
        path = weights.add_best()
        assert file_problem("studio") == ""
        damaged(path)
        assert str(path) in file_problem("studio")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert str(path) in file_problem("studio")
        path.write_text("no model at all")
        assert str(path) in file_problem("studio")

    def test_those_of_this_tree_are_whole_or_not_there(self):
        for name in BY_QUALITY:
            path = builtin_file(name)
            assert file_problem(name) == ("" if path else f"{name}.onnx isn't installed")
            assert path is None or path == find_model(name)

    def test_each_step_down_ends_at_the_lightest(self):
        for name in BY_QUALITY:
            steps = [name]
            while steps[-1] in LIGHTER:
                steps.append(LIGHTER[steps[-1]])
            assert steps[-1] == "tutorial"
            assert len({*steps}) == len(steps)


class TestRuns:
    def test_a_file_gets_the_best_and_it_is_first_of_the_circle(self, weights, song):
        best = weights.add_best()
        found = opened(input=song)
        assert (found.choice.model, found.choice.mode) == ("studio", "read ahead")
        assert names(found.models) == ["studio", "live", "light", "tutorial"]
        assert found.separator.spec.name == "studio"
        steps = {above.stem: below.stem for above, below in found.lighter.items()}
        assert steps == {"studio": "live", "live": "light", "light": "tutorial"}
        assert found.models[0] == best

    def test_a_device_gets_the_standard_one_and_may_have_the_best(self, weights):
        weights.add_best()
        found = opened(input="mic")
        assert (found.choice.model, found.choice.mode) == ("live", "live")
        assert names(found.models) == ["live", "studio", "light", "tutorial"]

    def test_steps_down_leave_out_what_isn_t_there(self, weights, song):
        (weights.folder / "live.onnx").unlink()
        (weights.folder / "light.onnx").unlink()
        weights.add_best()
        assert names(opened(input=song).lighter.values()) == ["tutorial"]

    @pytest.mark.parametrize("kind", ["absent", "damaged", "of another kind"])
    def test_a_file_that_is_of_no_use_is_named_and_the_standard_one_plays(
        self, weights, song, kind
    ):
        if kind != "absent":
            path = weights.add_best()
        if kind == "damaged":
            damaged(path)
        if kind == "of another kind":
            path.write_bytes(b"no model")
        found = opened(input=song)
        assert found.choice.model == found.separator.spec.name == "live"
        assert "studio.onnx" in found.choice.reason

    def test_one_too_slow_here_is_left(self, weights, song, monkeypatch):
        weights.add_best()
        monkeypatch.setattr(model_probe, "run_schedule", lambda separator: None)
        found = opened(input=song)
        assert found.choice.model == found.separator.spec.name == "live"
        assert "too slow" in found.choice.reason

    def test_so_is_one_that_can_t_be_run(self, weights, song, monkeypatch):
        best, load = weights.add_best(), load_separator

        def refuse(model, **options):
            if model == best:
                raise BackendError("studio takes 9 s", expected="less", remedy="none")
            return load(model, **options)

        monkeypatch.setattr(model_probe, "load_separator", refuse)
        found = opened(input=song)
        assert (found.choice.model, found.choice.reason) == ("live", "studio takes 9 s")

    def test_what_is_named_is_what_plays(self, weights, song, identity_model):
        weights.add_best()
        found = opened(input=song, model=identity_model)
        assert (found.models, found.choice, found.lighter) == ((identity_model,), None, {})
        found = opened(input=song, model=("auto", identity_model))
        assert names(found.models) == ["studio", "identity"]
        found = opened(input=song, model=(identity_model, "auto"))
        assert names(found.models) == ["identity", "studio"]
        assert found.separator.spec.name == "test"

    def test_low_latency_takes_the_standard_one(self, weights, song):
        weights.add_best()
        assert opened(input=song, low_latency=True).choice.model == "live"

    def test_with_no_weights_at_all_the_error_names_them(self, weights, song, monkeypatch):
        for path in weights.folder.glob("*.onnx"):
            path.unlink()
        monkeypatch.setattr(model_probe, "find_model", lambda name: Path(f"no/{name}.onnx"))
        with pytest.raises(ModelError, match=r"no/live\.onnx"):
            opened(input=song)


class TestMachine:
    def test_what_there_is(self):
        assert 1 <= cores_here() <= 4_096
        assert 1e7 < free_memory() < 1e14

    def test_a_separator_is_timed_and_starts_anew(self, tmp_path):
        separator = load_separator(
            models.lookahead_mask(tmp_path / "m.onnx", frames=4, lookahead=8)
        )
        found = run_schedule(separator)
        assert 0.0 < found.run_s < 4 * 1_024 / 44_100
        assert found.stride_frames == 4
        assert found.latency == 4_096 + separator.delay + found.slack
        out = np.zeros((2, 2, 4_096), np.float32)
        separator.process(np.zeros((2, 4_096), np.float32), out)
        assert not out.any()

    def test_one_that_leaves_no_headroom_is_too_slow(self, tmp_path):
        path = models.constant_mask(tmp_path / "m.onnx")
        assert run_schedule(SlowBackend.separator(path, lambda: time.sleep(0.03))) is None


class TestCommands:
    """Default options through the real commands."""

    def test_live_says_in_one_line_what_it_chose(self, command, weights, song):
        weights.add_best()
        done = command("live", "--input", song, "--output", "null", "--seconds", 0.2)
        assert (done.code, done.stderr) == (0, "")
        first, second, *_ = done.stdout.splitlines()
        assert first == "model studio: the best there is, and a file can be read ahead"
        assert second == "studio on CPU; Ctrl-C ends"

    def test_and_names_what_it_misses(self, command, weights, song):
        done = command("live", "--input", song, "--output", "null", "--seconds", 0.2)
        assert done.code == 0
        assert done.stdout.splitlines()[:2] == [
            "model live: studio.onnx isn't installed",
            "live on CPU; Ctrl-C ends",
        ]

    def test_a_program_is_told_by_an_event(self, command, weights, song):
        arguments = ("live", "--input", song, "--output", "null", "--seconds", 0.2, "--json")
        done = command(*arguments, "--low-latency")
        first, *rest = (json.loads(line) for line in done.stdout.splitlines())
        said = "model live: the least latency was asked for"
        assert [event["text"] for event in first["events"]] == [said]
        assert (first["model"], done.stderr) == ("live", f"{said}\n")
        assert not any(later["events"] for later in rest)

    def test_low_latency_with_a_model_is_refused(self, command, song):
        done = command("live", "--input", song, "--low-latency", "--model", "fast")
        assert done.code == 2
        assert "--low-latency" in done.stderr

    def test_separate_takes_the_best_without_a_word(self, command, weights, song):
        weights.add_best()
        done = command("separate", song)
        assert (done.code, done.stderr) == (0, "")
        beat = sf.read(song.with_name("song.beat.wav"), dtype="float32")[0]
        np.testing.assert_allclose(beat, sf.read(song, dtype="float32")[0], atol=PCM_24, rtol=0)

    def test_or_says_what_it_takes_instead(self, command, weights, song):
        done = command("separate", song)
        assert done.code == 0
        assert done.stderr == "streamsep: model live: studio.onnx isn't installed\n"
        damaged(weights.add_best())
        done = command("separate", song, "--overwrite", "--model", "auto")
        assert done.stderr.startswith(f"streamsep: model live: {weights.file(BEST)} is damaged")
        assert len(done.stderr.splitlines()) == 1

    def test_what_is_named_is_taken(self, command, weights, song, identity_model):
        done = command("separate", song, "--model", identity_model)
        assert (done.code, done.stderr) == (0, "")

    def test_the_choice_for_files(self, weights):
        model, choice = choose_for_files()
        assert (model, choice.mode) == (weights.file("live"), "offline")
        best = weights.add_best()
        model, choice = choose_for_files()
        assert (model, choice.model) == (best, "studio")
