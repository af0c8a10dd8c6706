"""``streamsep party`` before anybody sings: what can't be had is one line."""

import builtins
import socket

import pytest
import soundfile as sf

from testing.signals import music


@pytest.fixture
def songs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "songs"
    folder.mkdir()
    sf.write(folder / "song.wav", music(1.0).T, 44_100)
    return folder


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_folder_without_songs_is_one_line_before_anything_is_opened(command, tmp_path, kind):
    if kind == "empty":
        (tmp_path / "songs").mkdir()
    done = command("party", tmp_path / "songs", "--output", "no such device")
    assert done.code == 3
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line(command, songs, identity_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("party", songs, *quiet(identity_model), "--port", port)
    assert done.code == 2
    assert f"port {port} can't be had" in done.stderr.splitlines()[-1]
    assert "--port" in done.stderr.splitlines()[-1]


def test_a_place_that_cant_be_written_is_one_line(command, songs, identity_model, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "streamsep").touch()
    done = command("party", songs, *quiet(identity_model), "--port", 0)
    assert done.code == 4
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_one_line_names_it(command, songs, identity_model, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("websockets"):
            raise ImportError(f"no {name}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    done = command("party", songs, *quiet(identity_model), "--port", 0)
    assert done.code == 2
    assert "pip install 'streamsep[party]'" in done.stderr


def test_help_names_the_three_pages_options(command):
    done = command("party", "--help")
    assert done.code == 0
    for option in ("--lan", "--mic", "--cache-size", "--new-code", "--control"):
        assert option in done.stdout


def quiet(model):
    return ("--output", "null", "--model", model, "--no-key")
