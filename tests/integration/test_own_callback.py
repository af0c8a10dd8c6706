"""A session in a sounddevice stream of somebody else's, on a real server.

JACK: PortAudio's duplex streams lose blocks through PulseAudio's plug-in, whoever opens them.
"""

import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from testing.alignment import locate
from testing.examples import API_PAGE, DEVICE, SCRIPTS, python_sections
from testing.patch_bay import PORTAUDIO, patch_bay
from testing.servers import jack_server, wait_until
from tests.integration.conftest import RATE
from tests.integration.takes import span, until_clean
from tests.support.commands import Losses

PERIOD = 512
SOUND_SERVER_SAYS = 60.0  # seconds, far beyond what a script takes


@pytest.fixture
def jack():
    with jack_server(PERIOD) as running:
        yield running


@contextmanager
def running(server, *command):
    """Run a Python program; what it says is in ``communicate()``."""
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=server.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def patched(bay, process):
    """Say whether the program's ports are there, and have been patched."""
    import jack

    try:
        bay.connect(PORTAUDIO)
    except jack.JackError:
        assert process.poll() is None, process.communicate()[1]
        return False
    return True


def test_the_example_plays_what_the_model_leaves(jack, identity_model):
    """An identity model leaves the song as it is: sample for sample, as late as it said."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)

    def take(number):
        example = SCRIPTS / "own_callback.py"
        with (
            patch_bay(jack.env()) as bay,
            running(jack, example, "6", identity_model, "system", "system") as script,
        ):
            wait_until(lambda: patched(bay, script), "the example's ports")
            before = bay.xruns
            heard = bay.play(np.pad(sound, (RATE // 4, RATE // 2)))
            gone = not bay.connected
            said, errors = script.communicate(timeout=SOUND_SERVER_SAYS)
            lost = bay.xruns - before + gone
        assert script.returncode == 0, errors
        late_ms, missed = said.split(" ms late besides the devices, ")
        return Losses(int(missed.split()[0]), lost), (heard, int(late_ms))

    (came, went), late_ms = until_clean(take)
    place, start = locate(sound, went), locate(sound, came)
    np.testing.assert_array_equal(span(went[np.newaxis], place, len(sound))[0], sound)
    # JACK hands a client's sound on a period later, to a client that is asked after it.
    assert 0 <= place - start - late_ms * RATE / 1_000 <= 2 * PERIOD


def test_the_page_s_example_runs(jack):
    (code,) = [code for code in python_sections(API_PAGE).values() if DEVICE in code]
    with running(jack, "-c", code) as script:
        said, errors = script.communicate(timeout=SOUND_SERVER_SAYS)
    assert script.returncode == 0, errors
    assert " samples late; " in said
