"""Filters between what is played and what is heard, and devices that are muted by a key."""

import time
from contextlib import contextmanager

import pytest

from testing.servers import wait_until
from tests.integration.conftest import make_song
from tests.support.commands import Live, streamsep


@pytest.fixture(scope="module")
def beat(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "beat.wav", 60.0)


@contextmanager
def loaded(server, *modules):
    """Have modules of the server's, each by its name and arguments."""
    numbers = []
    try:
        for module in modules:
            numbers.append(server.pactl("load-module", *module).stdout.strip())
            time.sleep(0.5)  # until PipeWire has linked it
        yield
    finally:
        for number in reversed(numbers):
            server.pactl("unload-module", number, check=False)


# What is played on, and what leads from there to B.
WAYS = {
    "a filter": [("module-remap-sink", "sink_name=OUT", "master=B")],
    "several outputs as one": [("module-combine-sink", "sink_name=OUT", "slaves=A,B")],
    "a loop": [
        ("module-null-sink", "sink_name=OUT"),
        ("module-loopback", "source=OUT.monitor", "sink=B"),
    ],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_played_through_it_is_heard_behind_it(each_server, beat, identity_model, way):
    with loaded(each_server, *way):
        done = streamsep(
            *("live", "--input", beat.path, "--output", "pulse", "--mic", "pulse"),
            *("--voice-effects", "off", "--model", identity_model, "--seconds", 1),
            env=each_server.env(source="B.monitor", sink="OUT"),
        )
    assert done.returncode == 5, done.stdout
    assert "its source is 'B.monitor', which hears the output 'OUT'" in done.stderr


def test_one_that_is_made_while_it_plays_silences_the_microphone(
    each_server, beat, identity_model, tmp_path
):
    server = each_server
    with Live(
        tmp_path,
        *("--input", beat.path, "--output", "pulse", "--mic", "pulse"),
        *("--voice-effects", "off", "--model", identity_model),
        env=server.env(source="A.monitor", sink="B"),
    ) as live:
        live.wait_until_running()
        with loaded(server, ("module-loopback", "source=B.monitor", "sink=A")):
            line = "microphone: it would hear 'B', which is played on: silence"
            wait_until(lambda: line in live.stdout, "the line")
        wait_until(lambda: "microphone: it listens to 'A.monitor' now" in live.stdout, "the end")
        assert live.end() == 0, live.stderr


@pytest.mark.parametrize("role", ["output", "microphone"])
def test_a_device_that_is_muted_is_a_line(each_server, beat, identity_model, tmp_path, role):
    server = each_server
    kind, name = ("sink", "B") if role == "output" else ("source", "A.monitor")
    server.pactl(f"set-{kind}-mute", name, "1")
    try:
        with Live(
            tmp_path,
            *("--input", beat.path, "--output", "pulse", "--mic", "pulse"),
            *("--voice-effects", "off", "--model", identity_model),
            env=server.env(),
        ) as live:
            live.wait_until_running()
            muted = f"{role}: '{name}' is muted in the sound server now"
            wait_until(lambda: muted in live.stdout, "the line")
            server.pactl(f"set-{kind}-mute", name, "0")
            wait_until(lambda: f"{role}: '{name}' isn't muted any more" in live.stdout, "the end")
            server.pactl(f"set-{kind}-mute", name, "1")
            wait_until(lambda: live.stdout.count(muted) == 2, "the line again")
            assert live.end() == 0, live.stderr
    finally:
        server.pactl(f"set-{kind}-mute", name, "0")
