"""Bad input through the real command line: one line that says what to do, and an exit code.

Compared are exit codes, which tell kinds of errors apart, and what only this input can have put
into the line: paths, names, values. The sentences are free to change; one of them is pinned.
"""

import json
import os
import re

import numpy as np
import onnx
import pytest
import soundfile as sf

from testing.signals import music
from tests.support import models
from tests.support.commands import streamsep
from tests.support.refusals import refusal

FILE, OUTPUT, DEVICE, MODEL, BACKEND, LOSSES = 3, 4, 5, 6, 7, 12


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100)
    return tmp_path / "song.wav"


def test_a_whole_line(command, identity_model, tmp_path):
    """The one whose every word is pinned, for all of them are made alike."""
    path = tmp_path / "missing.wav"
    done = command("separate", path, "--model", identity_model)
    assert done.stderr == (f"streamsep: no sound file at {path}; expected a file; check the path\n")


class TestSoundFiles:
    """Each through separate and through live: nothing is written, and no session starts."""

    @pytest.fixture(params=["separate", "live"])
    def refused(self, request, command, identity_model, tmp_path):
        def run(path):
            if request.param == "separate":
                arguments = ["separate", path, "-o", tmp_path / "out"]
            else:
                arguments = ["live", "--input", path, "--output", tmp_path / "out.wav"]
            refused = refusal(command(*arguments, "--model", identity_model), FILE)
            assert not list(tmp_path.glob("out*/*")), "something was written"
            assert not (tmp_path / "out.wav").exists()
            assert str(path) in refused.what
            return refused

        return run

    def test_missing(self, refused, tmp_path):
        refused(tmp_path / "missing.wav")

    def test_a_folder_without_sound(self, refused, tmp_path):
        (tmp_path / "empty").mkdir()
        refused(tmp_path / "empty")

    @pytest.mark.parametrize(
        "content",
        [b"", b"RIFF", b"no sound at all" * 100, os.urandom(1000)],
        ids=["empty", "only a beginning", "text", "noise"],
    )
    def test_no_sound_file(self, refused, tmp_path, content):
        path = tmp_path / "bad.wav"
        path.write_bytes(content)
        refused(path)

    def test_no_samples(self, refused, tmp_path):
        path = tmp_path / "short.wav"
        sf.write(path, np.zeros((0, 2)), 44_100)
        refused(path)

    @pytest.mark.parametrize("rate", [4_000, 400_000])
    def test_unsupported_rate(self, refused, tmp_path, rate):
        path = tmp_path / "odd.wav"
        sf.write(path, music(0.1).T, rate)
        message = refused(path)
        assert f"{rate} Hz" in message.what
        assert re.findall(r"\d+", message.expected) == ["8000", "384000"]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_no_number_is_silent_in_the_stems_and_said(
        self, command, identity_model, tmp_path, value
    ):
        sound = music(1.0)
        sound[0, 22_050] = value
        path = tmp_path / "bad.wav"
        sf.write(path, sound.T, 44_100, subtype="FLOAT")
        done = command("separate", path, "--stems", "beat", "--model", identity_model)
        assert (done.code, done.stdout) == (LOSSES, f"{tmp_path}/bad.beat.wav\n")
        place, last = done.stderr.splitlines()
        assert place.startswith(f"{path}: 1 sample silenced at 0.500 s")
        assert str(path) in last
        sound[0, 22_050] = 0.0
        beat, _ = sf.read(tmp_path / "bad.beat.wav")
        np.testing.assert_allclose(beat.T, sound, atol=2.0**-23)

    def test_a_damaged_file_gives_what_can_be_read(self, command, identity_model, tmp_path):
        path = tmp_path / "half.flac"
        sf.write(path, music(2.0).T, 44_100)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        done = command("separate", path, "--json", "--stems", "beat", "--model", identity_model)
        assert done.code == LOSSES
        notice, stems = map(json.loads, done.stdout.splitlines())
        assert (notice["song"], notice["lost"]) == (str(path), True)
        assert re.search(r"[01]\.\d+ s, .* 2\.000 s", notice["notice"])
        assert stems == {"song": str(path), "stems": {"beat": f"{tmp_path}/half.beat.wav"}}
        assert 0.3 < sf.info(tmp_path / "half.beat.wav").duration < 1.7


class TestModels:
    @pytest.fixture
    def refused(self, command, song):
        def run(path, code=MODEL):
            before = sorted(song.parent.iterdir())
            message = refusal(command("separate", song, "--model", path), code)
            assert sorted(song.parent.iterdir()) == before
            return message

        return run

    def test_missing(self, refused, tmp_path):
        assert f"{tmp_path}/no.onnx" in refused(tmp_path / "no.onnx").what

    def test_the_second_of_two_is_looked_for_before_the_music(self, command, song, identity_model):
        done = command(
            "live", "--input", song, "--output", "null", "--model", f"{identity_model},nosuch"
        )
        assert "nosuch" in refusal(done, MODEL).what

    @pytest.mark.parametrize("content", [b"", b"this isn't ONNX", os.urandom(5_000)])
    def test_not_onnx(self, refused, tmp_path, content):
        path = tmp_path / "bad.onnx"
        path.write_bytes(content)
        assert str(path) in refused(path).what

    def test_without_metadata(self, refused, identity_model):
        self.rewrite(identity_model, lambda spec: None)
        assert "'streamsep models import'" in refused(identity_model).remedy

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (dict(schema=99), "schema is 99"),
            (dict(hop_length=None), "hop_length"),
            (dict(sample_rate="fast"), "sample_rate is 'fast'"),
            (dict(n_fft=4096), "inputs are features tensor(float) (2, 1025, 1)"),
            (dict(stems=["drums", "bass"]), "outputs are estimate tensor(float)"),
            (dict(channels=1), "inputs are features tensor(float) (2, 1025, 1)"),
        ],
    )
    def test_with_wrong_metadata(self, refused, identity_model, change, says):
        def changed(spec):
            spec |= change
            return {key: value for key, value in spec.items() if value is not None}

        self.rewrite(identity_model, changed)
        message = refused(identity_model)
        assert says in message.what
        assert "'python -m export onnx'" in message.remedy

    @staticmethod
    def rewrite(path, change):
        """Replace the spec in the file's metadata; None takes it out."""
        model = onnx.load(path)
        spec = change(json.loads(model.metadata_props[0].value))
        del model.metadata_props[:]
        if spec is not None:
            onnx.helper.set_model_props(model, {"streamsep": json.dumps(spec)})
        onnx.save(model, path)


class TestCuda:
    """On machines without: one line, or none, and no noise from onnxruntime's own code."""

    @pytest.fixture(autouse=True)
    def hidden(self, monkeypatch):
        # A machine with a GPU is one without for a process that sees none of its devices.
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")

    @pytest.mark.slow
    def test_asked_for_and_absent(self, song, identity_model):
        done = streamsep("separate", song, "--model", identity_model, "--device", "cuda")
        assert "streamsep[cuda]" in refusal(done, BACKEND).remedy

    @pytest.mark.slow
    def test_auto_takes_the_processor_and_says_so(self, song, identity_model):
        done = streamsep(
            "live",
            "--input",
            song,
            "--output",
            "null",
            "--seconds",
            "0.2",
            "--model",
            identity_model,
            "--device",
            "auto",
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("test on CPU; Ctrl-C ends\n")


class TestOutput:
    def test_a_folder_that_can_t_be_made(self, command, identity_model, song):
        blocked = song / "stems"  # under a file, where not even an administrator can write
        done = command("separate", song, "-o", blocked, "--model", identity_model)
        what = refusal(done, OUTPUT).what
        assert str(blocked) in what
        assert "Not a directory" in what

    @pytest.mark.parametrize("option", ["--output", "--record"])
    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("nowhere/take.wav", "no folder {folder}/nowhere"),
            ("song.wav/take.flac", "no folder {folder}/song.wav"),
            ("taken.wav", "Is a directory"),
            ("full.wav", "No space left on device"),
        ],
    )
    def test_a_place_that_can_t_be_written(
        self, command, identity_model, song, tmp_path, option, path, why
    ):
        (tmp_path / "taken.wav").mkdir()
        (tmp_path / "full.wav").symlink_to("/dev/full")
        arguments = {"--output": "null"} | {option: tmp_path / path}
        done = command(
            "live",
            "--input",
            song,
            "--model",
            identity_model,
            *(part for pair in arguments.items() for part in pair),
        )
        what = refusal(done, OUTPUT).what
        assert str(tmp_path / path) in what
        assert why.format(folder=tmp_path) in what

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--output", "null", "--record", "song.wav"],
            ["--output", "song.wav"],
            ["--output", "null", "--mic", "voice.wav", "--record", "voice.wav"],
            ["--output", "beat.wav", "--record", "beat.wav"],
            ["--output", "a.beat.wav", "--record", "a.wav", "--record-stems", "beat"],
        ],
    )
    def test_what_is_played_is_not_written_over(
        self, command, identity_model, song, tmp_path, monkeypatch, arguments
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "voice.wav").write_bytes(song.read_bytes())
        before = {path: path.read_bytes() for path in tmp_path.glob("*.wav")}
        done = command("live", "--input", song, "--model", identity_model, *arguments)
        assert re.match(r"\S+\.wav ", refusal(done, OUTPUT).what)
        assert {path: path.read_bytes() for path in tmp_path.glob("*.wav")} == before

    def test_an_unknown_format(self, command, identity_model, song, tmp_path):
        message = refusal(
            command(
                "live",
                "--input",
                song,
                "--output",
                "null",
                "--model",
                identity_model,
                "--record",
                tmp_path / "take.aiff",
            ),
            OUTPUT,
        )
        assert f"{tmp_path}/take.aiff" in message.what
        assert message.expected == ".wav, .flac, .ogg, .mp3"

    def test_a_stem_that_can_t_take_its_name_leaves_nothing(
        self, command, identity_model, song, tmp_path
    ):
        """The last step fails, when all is written: no unfinished files stay."""
        (tmp_path / "out" / "song.vocals.wav").mkdir(parents=True)
        done = command("separate", song, "-o", tmp_path / "out", "--model", identity_model)
        assert f"{tmp_path}/out/song.vocals.wav" in refusal(done, OUTPUT).what
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["song.vocals.wav"]

    @pytest.mark.slow
    def test_a_full_disk_in_separate_leaves_nothing(self, identity_model, tmp_path):
        path = tmp_path / "song.wav"
        sf.write(path, music(3.0).T, 44_100)
        before = sorted(tmp_path.iterdir())
        done = streamsep("separate", path, "--model", identity_model, largest_file=400_000)
        assert f"{tmp_path}/song.vocals.wav" in refusal(done, OUTPUT).what
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["separate"], "'FILE|FOLDER|GLOB…'"),
        (["live", "--block", "7"], "7 is not in the range 32<=x<=8192"),
        (["live", "--record-stems", "mic"], "expected --mic"),
        (["live", "--record-stems", "beat"], "expected --record"),
        (["live", "--mic-effect", "Gain"], "expected --mic"),
        (["live", "--key", "7"], "7 is not in the range -6<=x<=6"),
        (["live", "--guide", "101"], "101.0 is not in the range 0<=x<=100"),
        (["live", "--beat-gain", "nan"], "'nan'"),
        (["live", "--master-gain", "30"], "30.0 is not in the range x<=24.0"),
        (["live", "--capture", "mpv"], "--input loopback"),
        (["sing"], "'sing'"),
    ],
)
def test_wrong_usage_is_explained(command, arguments, says):
    done = command(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert says in done.stderr


def test_the_doctor_names_a_bad_model(command, tmp_path):
    done = command("doctor", "--model", tmp_path / "no.onnx")
    assert done.code == 1
    assert f" bad  model: no model file at {tmp_path}/no.onnx\n" in done.stdout


def test_a_model_that_fails_while_it_runs(command, song, tmp_path):
    """A graph that takes channel 7 of 2, and only when it runs: one line, and no stems."""
    spec = models.make_spec()
    text = """
    broken (float[2,1025,1] features) => (float[1,2,1025,1] estimate) {
        start = Constant <value_ints: ints = [0, 0, 0]> ()
        end = Constant <value_ints: ints = [2, 1, 1]> ()
        first = Slice(features, start, end)
        flat_shape = Constant <value_ints: ints = [2]> ()
        flat = Reshape(first, flat_shape)
        zero = Constant <value_float: float = 0.0> ()
        seven = Constant <value_float: float = 7.0> ()
        nothing = Mul(flat, zero)
        beyond = Add(nothing, seven)
        index = Cast <to: int = 7> (beyond)
        channels = Gather <axis: int = 0> (features, index)
        axis = Constant <value_ints: ints = [0]> ()
        estimate = Unsqueeze(channels, axis)
    }"""
    path = models.save(text, tmp_path / "broken.onnx", spec.to_metadata())
    assert "CPU" in refusal(command("separate", song, "--model", path), BACKEND).what
    assert not list(tmp_path.glob("*.beat.wav"))
