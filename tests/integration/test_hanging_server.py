"""A sound server that is there and doesn't answer: said at the start, and nothing hangs with it."""

import signal

import pytest

from testing.servers import pulse_server
from tests.support.commands import streamsep

DEVICES = ("--input", "pulse", "--output", "pulse")


@pytest.fixture
def hanging():
    with pulse_server() as server:
        server.processes[0].send_signal(signal.SIGSTOP)
        try:
            yield server
        finally:
            server.processes[0].send_signal(signal.SIGCONT)


@pytest.mark.parametrize("arguments", [["live", *DEVICES], ["doctor", *DEVICES], ["devices"]])
def test_it_is_one_line_and_once_it_goes_on_all_is_well(hanging, identity_model, arguments):
    model = [] if arguments == ["devices"] else ["--model", identity_model]
    seconds = ["--seconds", 0.2] if "live" in arguments else []
    done = streamsep(*arguments, *seconds, *model, env=hanging.env())
    said = done.stdout if "doctor" in arguments else done.stderr
    assert done.returncode == (1 if "doctor" in arguments else 5)
    assert said.count("the sound server doesn't answer within 2.5 s") == 1
    assert "restart it" in said
    hanging.processes[0].send_signal(signal.SIGCONT)
    done = streamsep(*arguments, *seconds, *model, env=hanging.env())
    assert done.returncode == 0, done.stderr


def test_files_need_none(hanging, identity_model, tmp_path, short_song):
    take = tmp_path / "take.wav"
    done = streamsep(
        *("live", "--input", short_song.path, "--output", take, "--model", identity_model),
        env=hanging.env(),
    )
    assert done.returncode == 0, done.stderr
    assert take.exists()
