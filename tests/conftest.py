"""Fixtures shared by all tests, and what sorts tests into fast, slow and those of a server."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from streamsep.separation.run_limits import TimeLimit
from tests.support import models

INTEGRATION = Path(__file__).parent / "integration"
# Files and folders whose tests run in one process, where several do: each would make its own store,
# cluster, installation, record or plugin.
TOGETHER = ("/cluster/", "/test_bench.py", "/test_effect_plugins.py", "/test_example_plugin.py")

# The same examples in every run, or a change would be blamed for what chance brought up; and no
# deadline, since a busy machine is no failure.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """Whatever is in the folder of a real sound server needs one."""
    for item in items:
        if item.path.is_relative_to(INTEGRATION):
            item.add_marker(pytest.mark.server)


class OneByOne(LoadScopeScheduling):
    """Gives each test to whichever process is free, but for those that stay `TOGETHER`."""

    def _split_scope(self, nodeid):
        return next((place for place in TOGETHER if place in nodeid), nodeid)


def pytest_xdist_make_scheduler(config, log):
    return OneByOne(config, log)


@pytest.fixture(autouse=True)
def config_home(tmp_path, monkeypatch):
    """Keep the configuration of whoever runs the tests out of them; commands run inherit it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture(autouse=True, scope="session")
def model_limits():
    """The thread that counts for all models goes on from test to test: tests count threads."""
    return TimeLimit()


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Ctrl-C reaches what the tests start, even where a shell runs them in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def ordinary_priority():
    """Nothing may leave the tests themselves above the sound server that they listen to."""
    policy = getattr(os, "sched_getscheduler", lambda process: None)
    before = policy(0)
    yield
    assert policy(0) == before


@pytest.fixture
def identity_model(tmp_path):
    """One hop a run, vocals estimated as nothing: the beat is the input, delayed."""
    return models.constant_mask(tmp_path / "identity.onnx")


@pytest.fixture
def half_model(tmp_path):
    """Vocals and beat are half of the mixture each."""
    (tmp_path / "models").mkdir()
    return models.constant_mask(tmp_path / "models" / "half.onnx", 0.5)


@pytest.fixture
def unet_shaped_model(tmp_path):
    """Four frames a run with a look-ahead of eight, like the tutorial's U-Net."""
    return models.lookahead_mask(tmp_path / "lookahead.onnx", frames=4, lookahead=8)
