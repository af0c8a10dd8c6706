"""separate --sandbox: what a stranger's model does, it does to a process of its own."""

import resource
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from streamsep.cli import sandbox
from tests.support import hostile_models
from tests.support.cases import one_of_many
from tests.support.commands import streamsep, without_sound

pytestmark = pytest.mark.slow  # each starts programs


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    sf.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (8_192, 2)), 44_100)
    return path


def in_sandbox(song, model):
    return streamsep("separate", "--sandbox", "--model", model, song)


def test_the_stems_are_those_without_it(song, half_model):
    done = in_sandbox(song, half_model)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [str(song.with_suffix(f".{stem}.wav")) for stem in ("vocals", "beat")],
    )
    within = [sf.read(name)[0] for name in done.stdout.splitlines()]
    assert streamsep("separate", "--overwrite", "--model", half_model, song).returncode == 0
    for name, sound in zip(done.stdout.splitlines(), within, strict=True):
        np.testing.assert_array_equal(sf.read(name)[0], sound)


def test_exit_codes_and_errors_are_those_of_the_command(song, tmp_path):
    missing = in_sandbox(song, tmp_path / "missing.onnx")
    assert (missing.returncode, missing.stderr.count("\n")) == (6, 1)


def test_memory_is_limited_below_what_the_machine_has(song, tmp_path):
    """6 GB: on most machines less than half of all, which is what models may have elsewhere."""
    model = hostile_models.asks_for_memory(tmp_path / "greedy.onnx", 1_500_000_000)
    done = in_sandbox(song, model)
    assert done.returncode == 7
    assert "asks for more than" in done.stderr
    assert not song.with_suffix(".vocals.wav").exists()


@pytest.mark.parametrize("kind", one_of_many(["folded", "one operator"]))
def test_an_operator_that_nothing_can_stop_is_ended_with_its_process(tmp_path, kind):
    """The limits themselves, with less time than the option gives."""
    song = tmp_path / "song.wav"
    sf.write(song, np.ones((8_192, 2)) * 0.1, 44_100)
    model = tmp_path / "products.onnx"
    if kind == "folded":  # while the model is loaded
        hostile_models.folded_for_ever(model)
    else:
        hostile_models.one_endless_operator(model, 6_000)
    code = (
        "from streamsep.cli import sandbox, main; import sys\n"
        "sandbox.INSIDE = 'from streamsep.cli import sandbox; sandbox.CPU_S = 2; '"
        " 'sandbox.run_inside()'\n"
        "sys.argv[0] = 'streamsep'; main()"
    )
    arguments = ["separate", "--sandbox", "--model", str(model), str(song)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=without_sound(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7
    assert f"the model {model} ended the process that ran it (it computed" in done.stderr
    # What is left is hidden, and the next run removes it.
    assert [path.name for path in tmp_path.glob("[!.]*.wav")] == ["song.wav"]


def test_there_is_no_network_in_it_or_a_line_says_so():
    code = (
        "import sys; from streamsep.cli import sandbox\n"
        "why = sandbox._leave_network()\n"
        "import socket; names = [name for _, name in socket.if_nameindex()]\n"
        "print(why is not None or names == ['lo'])\n"
        "open(sys.argv[1], 'w').close()"  # files can be written as before
    )
    done = subprocess.run([sys.executable, "-c", code, "/dev/null"], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_its_name_for_the_model_is_the_one_that_was_given():
    for options in (["--model", "a,b", "x.wav"], ["x.wav", "--model=a,b"]):
        assert sandbox._model_of(options) == "a,b"
    assert sandbox._model_of(["x.wav"]) == "auto"


def test_a_model_that_is_within_the_limits_is_not_ended_by_many_files():
    """Each sign of progress gives the time anew."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    sandbox.note_progress()  # outside a sandbox it limits nothing
    assert resource.getrlimit(resource.RLIMIT_CPU) == before
    code = (
        "import resource, time; from streamsep.cli import sandbox\n"
        "sandbox._inside, sandbox.CPU_S = True, 1\n"
        "end = time.process_time() + 3\n"
        "while time.process_time() < end:\n"
        "    sandbox.note_progress()\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "done\n"
