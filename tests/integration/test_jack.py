"""JACK's devices and streams on a real server, and what becomes of them when it dies."""

import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.devices.device_list import find_device, list_devices
from streamsep.audio.devices.jack_client import HOST_API, JackClient, JackError
from streamsep.audio.devices.jack_stream import JackStream
from streamsep.audio.devices.portaudio import DeviceInput, DeviceOutput
from streamsep.audio.endpoint import DuplexPump
from testing.alignment import locate
from testing.patch_bay import patch_bay
from testing.servers import jack_server, wait_until
from tests.integration.conftest import RATE
from tests.integration.takes import until_clean
from tests.support.cases import one_of_many
from tests.support.commands import Live, Losses, streamsep, without_sound

PERIOD = 1024
AWAY_S, BACK_S = 3.0, 2.0  # as in test_trouble.py
LIST = "from streamsep.audio.devices.device_list import list_devices; print(list_devices())"


def no_other_server(env):
    """Environment without a sound server but JACK's."""
    return without_sound() | {name: env[name] for name in env if name.startswith("JACK_")}


@pytest.fixture
def server(monkeypatch):
    with jack_server(PERIOD) as running:
        for name, value in no_other_server(running.env()).items():
            monkeypatch.setenv(name, value)
        yield running


def open_stream(**changes):
    settings = dict(captures=False, role="output", channels=2, blocksize=512)
    return JackStream("system", **settings | {"callback": lambda *_: None} | changes)


def system():
    (found,) = (d for d in list_devices() if d.name == "system")
    return found


def test_its_clients_are_devices(server):
    found = system()
    assert (found.host_api, found.inputs, found.outputs) == (HOST_API, 2, 2)
    assert found.sample_rate == RATE
    assert find_device("system", "input") == find_device(str(found.index), "output") == found
    with patch_bay(server.env()):
        player = find_device("player", "input")
        assert (player.inputs, player.outputs) == (1, 0)
    # Our own ports aren't: we would hear ourselves.
    stream = open_stream()
    assert [d.name for d in list_devices() if d.host_api == HOST_API] == ["system"]
    stream.close()


def test_it_is_the_default_where_there_is_nothing_else_and_jack_means_it(server):
    code = (
        "from streamsep.audio.devices.device_list import find_device\n"
        "print([find_device(name, kind).name for name in ('default', 'jack')"
        " for kind in ('input', 'output')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{['system'] * 4}\n", "")


@pytest.mark.slow
def test_without_a_server_there_is_nothing_and_nothing_is_said():
    """Nor is a server started, as JACK's library does unless it is told not to."""
    environment = {
        name: value for name, value in without_sound().items() if not name.startswith("JACK_")
    } | {"JACK_DEFAULT_SERVER": "streamsep-nobody"}
    done = subprocess.run(
        [sys.executable, "-c", LIST], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    refused = streamsep("live", "--output", "system", env=environment)
    assert refused.returncode == 5
    assert "no input device" in refused.stderr


def test_streams_share_one_client_and_the_last_one_takes_it_along(server):
    first, second = open_stream(), open_stream(captures=True, role="input")
    client = JackClient.present
    assert [port.shortname for port in client.library_client.outports] == ["output_1", "output_2"]
    third = open_stream(channels=1)
    assert client.library_client.outports[2].shortname == "output_3"
    for stream in (first, third, third):
        stream.close()
    assert JackClient.present is client
    assert not client.library_client.outports
    second.start()
    assert second.active
    second.close()
    assert (second.active, JackClient.present) == (False, None)


def test_what_isn_t_there_is_refused_and_leaves_no_client(server):
    with pytest.raises(JackError, match="'system' has 2 of 3 ports"):
        open_stream(channels=3)
    assert JackClient.present is None
    server.process.terminate()  # a killed one keeps its place among JACK's eight
    server.process.wait()
    with pytest.raises(JackError, match="no JACK server answers"):
        open_stream()
    assert JackClient.present is None


def test_a_callback_that_fails_ends_its_stream_alone(server, monkeypatch):
    told, calls = [], []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: told.append(kind))
    other = open_stream(
        captures=True, role="input", callback=lambda data, *_: calls.append(data.shape)
    )
    broken = open_stream(callback=lambda *_: 1 / 0)
    other.start()
    broken.start()
    wait_until(lambda: told, "the failure")
    before = len(calls)
    wait_until(lambda: len(calls) > before + 2, "more calls of the other one")
    assert (told, broken.active, other.active) == ([ZeroDivisionError], False, True)
    assert set(calls) == {(PERIOD, 2)}
    broken.close()
    other.close()


@contextmanager
def pumped(server, block):
    """An input and an output of a session that changes nothing, at the driver's ports."""
    sizes = dict(sample_rate=RATE, channels=2, device_frames=block)
    source = DeviceInput(find_device("system", "input"), **sizes)
    sink = DeviceOutput(find_device("system", "output"), **sizes)
    lost, stop = [], threading.Event()

    def process(indata, outdata, missing):
        outdata[:] = indata
        lost.append(missing)

    pump = DuplexPump(source, sink, device_frames=block, channels=2)
    thread = threading.Thread(target=pump.run, args=(process, stop))
    thread.start()
    try:
        yield source, sink, lost
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("block", one_of_many([512, PERIOD, 480, 4 * PERIOD]))
def test_sound_goes_through_exactly_and_as_late_as_measured(server, block):
    """Whether a period is some of our blocks or a block some periods."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)

    def take(number):
        with pumped(server, block) as (source, sink, lost), patch_bay(server.env()) as bay:
            wait_until(lambda: source.measured is not None, "what the way takes")
            bay.connect()
            before, late = len(lost), bay.xruns
            came, went = bay.play(np.pad(sound, (RATE // 4, RATE // 2)))
            losses = Losses(sum(lost[before:]), bay.xruns - late)
            return losses, (came, went, source.measured, source.latency + sink.latency)

    came, went, measured, reported = until_clean(take)
    place, start = locate(sound, went), locate(sound, came)
    np.testing.assert_array_equal(went[place : place + RATE], sound)
    # Outside of the ports the dummy driver declares a period for what comes in, two for the rest.
    # The server tells a cycle's begin in whole samples, and between two clocks some µs go by.
    assert place - start + 3 * PERIOD == pytest.approx(measured, abs=10)
    assert reported == pytest.approx(measured, abs=block)


@contextmanager
def end(kind, path, server):
    """Somebody who plays to the program or records it, in a process of its own."""
    command = [sys.executable, "-m", "testing.jack_ends", kind, str(path)]
    with subprocess.Popen(command, env=server.env(), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("rate", one_of_many([48_000, RATE]))
def test_sound_is_back_within_two_seconds_of_the_server_s_return(identity_model, tmp_path, rate):
    """Counted in the new server's samples, from the recorder's first one on."""
    noise, heard, recorded = (tmp_path / name for name in ("noise", "heard", "recorded.wav"))
    np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32).tofile(noise)
    options = "--input", "system", "--output", "system", "--record", recorded
    with ExitStack() as stack:
        first = stack.enter_context(jack_server(PERIOD))
        with end("play", noise, first):
            live = stack.enter_context(
                Live(
                    tmp_path,
                    *options,
                    "--model",
                    identity_model,
                    "--plain",
                    env=no_other_server(first.env()),
                )
            )
            live.wait_until_running()
            began = time.monotonic()
            time.sleep(1.0)
            first.process.kill()
            first.process.wait()
        time.sleep(AWAY_S)
        server = stack.enter_context(jack_server(PERIOD, rate=rate))
        stack.enter_context(end("play", noise, server))
        stack.enter_context(end("record", heard, server))
        wait_until(lambda: heard.exists() and heard.stat().st_size > 4 * 4 * rate, "four seconds")
        lasted = time.monotonic() - began
        assert live.end() == 0, live.stderr
    assert live.stderr == ""
    sound = np.abs(np.fromfile(heard, np.float32))
    assert np.argmax(sound > 1e-3) < BACK_S * rate
    assert sound[int(BACK_S * rate) :].max() > 0.1
    gaps = re.findall(r"gap of (\d+\.\d) s at \d+:\d\d\.\d: (\w+) 'system' is back", live.stdout)
    assert {kind for _, kind in gaps} == {"input", "output"}
    assert all(float(gap) >= AWAY_S for gap, _ in gaps)
    # Silence stands for the gap: without it AWAY_S would be missing. How long the program takes
    # from its first block to being seen, and to end, is the machine's affair.
    assert sf.info(recorded).duration == pytest.approx(lasted, abs=AWAY_S / 2)
