"""What is said where no sound server answers: which remedy helps depends on why."""

import os
import pwd
import socket

import pytest

from streamsep.audio.devices import sound_server
from streamsep.audio.devices.sound_server import why_no_server


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Folders of users in place of the system's, and nothing told by the environment."""
    monkeypatch.setattr(sound_server, "RUNTIME_FOLDERS", str(tmp_path))
    for name in ("PULSE_SERVER", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def serve(folder):
    """Leave a socket where a user's server would have it."""
    (folder / "pulse").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "pulse" / "native"))


@pytest.mark.parametrize(
    ("programs", "units", "command"),
    [
        (
            ["pulseaudio", "pipewire-pulse"],
            ["pipewire-pulse"],
            "systemctl --user start pipewire-pulse",
        ),
        (["pulseaudio"], ["pulseaudio"], "systemctl --user start pulseaudio"),
        (["pulseaudio", "pipewire-pulse"], [], "pulseaudio --start"),
        (["pipewire-pulse"], [], "pipewire & wireplumber & pipewire-pulse &"),
        ([], [], None),
    ],
)
def test_none_that_runs_is_started_by_what_is_there(users, monkeypatch, programs, units, command):
    for name in [*programs, *(f"{unit}.service" for unit in units)]:
        (users / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(users))
    monkeypatch.setattr(sound_server, "USER_UNITS", [str(users)])
    monkeypatch.setattr(sound_server, "SYSTEMD", str(users if units else users / "none"))
    expected = f"start it ('{command}')" if command else "install one"
    assert why_no_server().startswith(expected)


def test_a_variable_that_leads_elsewhere_is_named(users, monkeypatch):
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    assert why_no_server().startswith("PULSE_SERVER=unix:/nowhere says where it is")
    assert "'unset PULSE_SERVER'" in why_no_server()


@pytest.mark.parametrize("runtime", [None, "/nowhere"])
def test_one_of_this_user_that_isn_t_found(users, monkeypatch, runtime):
    own = users / str(os.getuid())
    serve(own)
    if runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    assert f"'export XDG_RUNTIME_DIR={own}'" in why_no_server()


@pytest.mark.parametrize("number", [pwd.getpwnam("daemon").pw_uid, 54_321])
def test_one_of_another_user(users, number):
    serve(users / str(number))
    name = "daemon" if number != 54_321 else "54321"
    assert why_no_server().startswith(f"one runs for the user {name}: run streamsep as that user")
