"""The environment, changed for a moment for libraries that ask it."""

import ctypes.util
import os
import sys
import threading

import pytest

from streamsep.audio.devices.environment import environment
from streamsep.audio.devices.jack_client import NO_SERVER, load_jack, without_jack

NAME, OTHER = "STREAMSEP_TEST_A", "STREAMSEP_TEST_B"


@pytest.fixture(autouse=True)
def one_is_set(monkeypatch):
    monkeypatch.setenv(NAME, "mine")
    monkeypatch.delenv(OTHER, raising=False)


def fail():
    with environment({NAME: "a", OTHER: "b"}):
        assert (os.environ[NAME], os.environ[OTHER]) == ("a", "b")
        with environment({NAME: "c"}):
            assert os.environ[NAME] == "c"
        assert os.environ[NAME] == "a"
        raise ZeroDivisionError


def test_it_is_as_before_after_an_error_too():
    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.environ[NAME] == "mine"
    assert OTHER not in os.environ


def test_another_thread_waits_until_it_is_as_before():
    seen = []

    def ask():
        with environment({}):
            seen.append(os.environ[NAME])

    asks = threading.Thread(target=ask)
    with environment({NAME: "a"}):
        asks.start()
        asks.join(0.05)
        assert not seen
    asks.join()
    assert seen == ["mine"]


@pytest.mark.parametrize("there", [True, False])
def test_portaudio_is_kept_from_jack_only_where_we_have_its_library(there, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "mine")
    monkeypatch.setattr("streamsep.audio.devices.jack_client.load_jack", lambda: there or None)
    with without_jack():
        named = os.environ["JACK_DEFAULT_SERVER"]
    assert (named == NO_SERVER["JACK_DEFAULT_SERVER"]) is there
    assert os.environ["JACK_DEFAULT_SERVER"] == "mine"


def test_a_machine_without_the_library_has_no_jack(monkeypatch):
    """As the ``jack`` module finds that out."""
    monkeypatch.delitem(sys.modules, "jack", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    load_jack.cache_clear()
    try:
        assert load_jack() is None
    finally:
        load_jack.cache_clear()
