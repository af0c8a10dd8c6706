"""What ``doctor`` says to do is done, word for word, where it says so: and all is well."""

import re
import subprocess

import pytest

from testing.servers import PATIENCE_S
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, without_sound

FILES_IN = ("--input", "{song}", "--output", "pulse")
MICROPHONE = ("--input", "{song}", "--mic", "pulse", "--output", "null")
# What is wrong in the environment, what is to be opened there, and what the remedy begins with.
CAUSES = [
    pytest.param({"PULSE_SINK": "nowhere"}, FILES_IN, "unset", id="no such sink"),
    pytest.param({"ALSA_PLUGIN_DIR": "/nonexistent"}, FILES_IN, "unset", id="no plug-ins"),
    pytest.param({"PULSE_SOURCE": "nowhere"}, MICROPHONE, "unset", id="no such source"),
    pytest.param({"PULSE_SERVER": "unix:/no/server"}, FILES_IN, "unset", id="another server"),
    pytest.param({"HOME": "{home}"}, FILES_IN, "mv", id="a mistake in .asoundrc"),
]
STEP = re.compile(r"'((?:unset|export|mv|pulseaudio|pipewire) [^']+)'")
# What a machine has that started no server: a sink, and what starts it.
NO_SERVER = """
load-module module-native-protocol-unix
load-module module-null-sink sink_name=card
"""


@pytest.mark.parametrize(("wrong", "options", "kind"), one_of_many(CAUSES))
def test_the_remedy_is_one(server, short_song, identity_model, tmp_path, wrong, options, kind):
    (tmp_path / ".asoundrc").write_text("pcm.!default { type nonsense\n")
    (tmp_path / "pulse").mkdir(mode=0o700)
    (tmp_path / "pulse" / "native").symlink_to(server.socket)  # as this user's own server
    places = {"home": tmp_path, "song": short_song.path}
    doctor = [*COMMAND, "doctor", "--model", str(identity_model)]
    doctor += [option.format(**places) for option in options]
    env = server.env(sink=None) | {"PULSE_RUNTIME_PATH": str(tmp_path / "pulse")}
    env |= {name: value.format(**places) for name, value in wrong.items()}

    check(doctor, env, kind)


def test_a_server_that_isn_t_there_is_started(
    short_song, identity_model, tmp_path, tmp_path_factory
):
    """By the command that there is on a machine without systemd."""
    runtime = tmp_path_factory.mktemp("run")  # a short name: a socket's has a limit
    runtime.chmod(0o700)
    (tmp_path / "pulse").mkdir()
    (tmp_path / "pulse" / "default.pa").write_text(NO_SERVER)
    env = without_sound() | {"XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}
    env |= {"HOME": str(tmp_path)}
    del env["PULSE_SERVER"]
    doctor = [*COMMAND, "doctor", "--model", str(identity_model)]
    doctor += ["--input", str(short_song.path), "--output", "pulse"]
    try:
        check(doctor, env, "pulseaudio")
    finally:
        subprocess.run(["pulseaudio", "--kill"], env=env, check=True)


def check(doctor, env, kind):
    """Do what is said to do, of a kind, and see that all is well then."""

    def run(*before):
        script = "; ".join([*before, '"$@"'])
        return subprocess.run(
            ["bash", "-c", script, "bash", *doctor],
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    ill = run()
    assert faults(ill), ill.stdout
    steps = [step for step in STEP.findall(ill.stdout) if step.startswith(kind)]
    assert steps, ill.stdout
    well = run(steps[0])
    assert not faults(well), f"{steps[0]}\n{well.stdout}{well.stderr}"
    assert "  ok  opened: " in well.stdout


def faults(done):
    """What is in the way but for the machine's speed, which is that of this moment."""
    return [line for line in done.stdout.splitlines() if re.match(" bad  (?!speed: )", line)]
