"""The program's own folder: where its users have their models and profiles already."""

import click.utils
import pytest

from streamsep.app_folder import app_folder

PLATFORMS = ["linux", "darwin", "win32", "freebsd14"]


@pytest.fixture(params=PLATFORMS)
def platform(request, monkeypatch):
    monkeypatch.setattr("sys.platform", request.param)
    monkeypatch.setattr(click.utils, "WIN", request.param == "win32")
    monkeypatch.setenv("HOME", "/home/singer")
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    return request.param


def test_it_is_the_one_that_click_names(platform):
    """Imported models and profiles of earlier versions lie there."""
    assert str(app_folder()) == click.get_app_dir("streamsep")


def test_the_environment_says_another(platform, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/singer")
    monkeypatch.setenv("APPDATA", "/roaming/singer")
    assert str(app_folder()) == click.get_app_dir("streamsep")
    elsewhere = {"darwin": "/home/singer/Library/Application Support", "win32": "/roaming/singer"}
    assert str(app_folder()) == f"{elsewhere.get(platform, '/etc/singer')}/streamsep"
