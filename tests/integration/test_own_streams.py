"""Our own streams in real servers: pulled out, moved, muted, named; and nobody hears themselves."""

import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.devices.sound_server import SoundServer
from testing.servers import PulseServer, pulse_server, wait_until
from tests.integration.conftest import RATE, make_song
from tests.support.cases import one_of_many
from tests.support.commands import Live, streamsep


@pytest.fixture(scope="module")
def beat(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "beat.wav", 60.0)


def told(live, part):
    """Lines, events among them, in which something stands."""
    return [line for line in live.stdout.splitlines() if part in line]


def singing(server, folder, beat, model, *options, source="VOICE", sink="B"):
    return Live(
        folder,
        "--input",
        beat.path,
        "--output",
        "pulse",
        "--mic",
        "pulse",
        "--record",
        folder / "take.wav",
        "--record-stems",
        "beat,mic,mix",
        "--model",
        model,
        *options,
        env=server.env(source=source, sink=sink),
    )


@pytest.fixture
def voice(each_server):
    """A microphone that can be pulled out, by a function, and put back by another."""
    server = each_server
    modules = []

    def plug():
        done = server.pactl(
            "load-module",
            "module-null-sink",
            "sink_name=ROOM",
            "rate=44100",
            "norewinds=1" if isinstance(server, PulseServer) else "channels=2",
        )
        modules.append(done.stdout.strip())
        done = server.pactl(
            "load-module", "module-remap-source", "source_name=VOICE", "master=ROOM.monitor"
        )
        modules.append(done.stdout.strip())
        wait_until(lambda: "VOICE" in sources(server), "the microphone")

    def pull():
        for module in reversed(modules):
            server.pactl("unload-module", module)
        modules.clear()

    plug()
    yield plug, pull
    pull()


def sources(server):
    listed = server.pactl("list", "short", "sources").stdout.splitlines()
    return [line.split()[1] for line in listed]


@pytest.mark.parametrize("effects", one_of_many(["stage", "off"]))
def test_a_microphone_that_is_pulled_out_never_makes_it_howl(
    each_server, voice, beat, identity_model, tmp_path, effects
):
    """All other sources are monitors, among them that of what is played on."""
    server, (plug, pull) = each_server, voice
    before = server.pactl("get-default-source").stdout.strip()
    server.pactl("set-default-source", "B.monitor")
    try:
        with singing(server, tmp_path, beat, identity_model, "--voice-effects", effects) as live:
            live.wait_until_running()
            pull()
            time.sleep(3.0)
            assert live.process.poll() is None
            plug()
            wait_until(lambda: server.streams("source-outputs", "VOICE"), "it on its microphone")
            wait_until(lambda: told(live, "microphone: it listens to 'VOICE' now"), "the news")
            time.sleep(1.0)
            assert live.end() == 0, live.stderr
    finally:
        server.pactl("set-default-source", before)
    mic, mix, sung = (
        sf.read(tmp_path / f"take{bus}.wav", dtype="float32", always_2d=True)[0]
        for bus in (".mic", "", ".beat")
    )
    # Not more of the song than what is under way before anyone can know.
    heard = np.flatnonzero(np.abs(mic).max(axis=1) > 1e-4)
    assert len(heard) < 0.2 * RATE
    assert np.abs(mix).max() <= np.abs(sung).max() + np.abs(mic).max() + 1e-6
    assert told(live, "microphone: it would hear 'B', which is played on: silence")


def test_another_microphone_is_taken_when_it_is_made_the_default(
    each_server, voice, beat, identity_model, tmp_path
):
    server, (_, pull) = each_server, voice
    before = server.pactl("get-default-source").stdout.strip()
    server.pactl("set-default-source", "B.monitor")
    modules = []
    try:
        with singing(server, tmp_path, beat, identity_model) as live:
            live.wait_until_running()
            pull()
            wait_until(lambda: told(live, "microphone: it would hear 'B'"), "the line")
            for module, *arguments in (
                ("module-null-sink", "sink_name=ROOM2"),
                ("module-remap-source", "source_name=OTHER", "master=ROOM2.monitor"),
            ):
                modules.append(server.pactl("load-module", module, *arguments).stdout.strip())
            wait_until(lambda: "OTHER" in sources(server), "the other microphone")
            server.pactl("set-default-source", "OTHER")
            wait_until(lambda: told(live, "microphone: it listens to 'OTHER' now"), "the news")
            assert live.end() == 0, live.stderr
    finally:
        server.pactl("set-default-source", before, check=False)  # it may be gone too
        for module in reversed(modules):
            server.pactl("unload-module", module)


@pytest.mark.parametrize("each_server", one_of_many(["server", "pipewire"]), indirect=True)
def test_an_input_that_is_pulled_out_is_silent_too(each_server, voice, identity_model, tmp_path):
    """What it plays would come back as its input."""
    server, (plug, pull) = each_server, voice
    before = server.pactl("get-default-source").stdout.strip()
    server.pactl("set-default-source", "B.monitor")
    try:
        with Live(
            tmp_path,
            *("--input", "pulse", "--output", "pulse", "--record", tmp_path / "take.wav"),
            *("--model", identity_model),
            env=server.env(source="VOICE", sink="B"),
        ) as live:
            live.wait_until_running()
            pull()
            wait_until(lambda: told(live, "input: it would hear 'B'"), "the line")
            noise = make_song(tmp_path / "noise.wav", 2.0)
            server.play(noise.path, "B")  # with another program, on what it would hear
            plug()
            wait_until(lambda: told(live, "input: it listens to 'VOICE' now"), "the news")
            assert live.end() == 0, live.stderr
    finally:
        server.pactl("set-default-source", before)
    heard = sf.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0]
    assert np.abs(heard).max() < 1e-4


@pytest.mark.parametrize("role", ["input", "mic"])
def test_what_would_hear_what_is_played_is_refused_at_the_start(
    each_server, beat, identity_model, role
):
    listens = {"input": ["--input", "pulse"], "mic": ["--input", beat.path, "--mic", "pulse"]}
    done = streamsep(
        "live",
        *listens[role],
        "--output",
        "pulse",
        "--voice-effects",
        "off",
        "--model",
        identity_model,
        env=each_server.env(source="B.monitor", sink="B"),
    )
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith(
        f"streamsep: {'microphone' if role == 'mic' else 'input'} 'pulse' would hear what is "
        "played: its source is 'B.monitor', the monitor of the output 'B'; expected a source"
    )
    assert done.stderr.endswith(f"or play on another output (--{role})\n")


@pytest.mark.parametrize("chain", one_of_many([2, 1]))
def test_a_filter_of_what_is_played_is_refused_too(each_server, beat, identity_model, chain):
    """As noise suppression is one, of whatever the default source is."""
    server, master, modules = each_server, "B.monitor", []
    for number in range(chain):
        name = f"FILTER{number}"
        done = server.pactl(
            "load-module", "module-remap-source", f"source_name={name}", f"master={master}"
        )
        modules.append(done.stdout.strip())
        wait_until(lambda name=name: name in sources(server), "the filter")
        master = name
    time.sleep(0.5)  # until PipeWire has linked it
    try:
        done = streamsep(
            *("live", "--input", beat.path, "--output", "pulse", "--mic", "pulse"),
            *("--voice-effects", "off", "--model", identity_model, "--seconds", 1),
            env=server.env(source=master, sink="B"),
        )
    finally:
        for module in reversed(modules):
            server.pactl("unload-module", module)
    assert done.returncode == 5, done.stdout
    assert f"its source is '{master}', which hears the output 'B'" in done.stderr


def test_with_a_monitor_for_its_only_source_the_microphone_is_refused(beat, identity_model):
    with pulse_server() as server:
        server.pactl("set-default-source", "B.monitor")
        done = streamsep(
            "live",
            "--input",
            beat.path,
            "--mic",
            "mic",
            "--model",
            identity_model,
            env=server.env(source=None, sink=None),
        )
    assert done.returncode == 5
    assert "would hear what is played" in done.stderr


@pytest.mark.parametrize("state", [("mute", "1", "muted"), ("volume", "10%", "at 10 %")])
def test_our_sink_is_open_at_the_start_and_a_change_is_a_line(
    each_server, identity_model, tmp_path, state
):
    """Servers remember what a sink of that name was set to; here by hand, before and after."""
    what, value, said = state
    server = each_server
    with Live(
        tmp_path, "--input", "loopback", "--model", identity_model, env=server.env(source=None)
    ) as live:
        live.wait_until_running()
        assert "Mute: no" in server.pactl("get-sink-mute", "streamsep").stdout
        assert "100%" in server.pactl("get-sink-volume", "streamsep").stdout
        server.pactl(f"set-sink-{what}", "streamsep", value)
        line = f"the output 'streamsep' is {said} in the sound server now"
        wait_until(lambda: told(live, line), "the line")
        assert live.end() == 0, live.stderr


def test_a_muted_sink_of_our_name_is_opened_up(each_server, monkeypatch):
    server = each_server
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    ours = SoundServer("test")
    sink = ours.load_null_sink("muted", sample_rate=RATE, channels=2, properties={})
    try:
        server.pactl("set-sink-mute", "muted", "1")
        server.pactl("set-source-volume", sink.monitor, "10%")
        assert ours.level_of(sink) == (True, pytest.approx(0.1, abs=0.01))
        ours.open_up(sink)
        assert ours.level_of(sink) == (False, 1.0)
    finally:
        ours.unload(sink.module)
        ours.close()


@pytest.mark.parametrize("change", ["moved", "muted"])
def test_what_the_server_does_with_our_output_is_a_line(
    each_server, beat, identity_model, tmp_path, change
):
    server = each_server
    with Live(
        tmp_path,
        "--input",
        beat.path,
        "--output",
        "pulse",
        "--model",
        identity_model,
        env=server.env(source=None),
    ) as live:
        live.wait_until_running()
        stream = server.streams("sink-inputs", "B")[0].split()[0]
        time.sleep(2.0)
        if change == "moved":
            server.pactl("move-sink-input", stream, "A")
            line = "output: it plays on 'A' now"
        else:
            server.pactl("set-sink-input-mute", stream, "1")
            line = "output: our stream is muted in the sound server now"
        wait_until(lambda: told(live, line), "the line")
        assert live.end() == 0, live.stderr
    assert told(live, "output 'pulse' (B), 44100 Hz, 2 channels")


@pytest.mark.parametrize("each_server", one_of_many(["pipewire", "server"]), indirect=True)
def test_an_output_that_is_pulled_out_is_taken_back_to(each_server, beat, identity_model, tmp_path):
    server = each_server

    def plug():
        module = server.pactl("load-module", "module-null-sink", "sink_name=PHONES").stdout.strip()
        wait_until(lambda: "PHONES" in server.sink_names(), "the headphones")
        return module

    module = plug()
    try:
        with Live(
            tmp_path,
            *("--input", beat.path, "--output", "pulse", "--model", identity_model),
            env=server.env(source=None, sink="PHONES"),
        ) as live:
            live.wait_until_running()
            wait_until(lambda: server.streams("sink-inputs", "PHONES"), "it on the headphones")
            time.sleep(1.0)
            server.pactl("unload-module", module)
            wait_until(lambda: told(live, "output: it plays on "), "it elsewhere")
            module = plug()
            wait_until(lambda: told(live, "output: it plays on 'PHONES' now"), "it back")
            assert server.streams("sink-inputs", "PHONES")
            assert live.end() == 0, live.stderr
    finally:
        server.pactl("unload-module", module, check=False)


def test_a_player_with_our_process_number_stays_where_it_is(
    each_server, endless, identity_model, tmp_path
):
    """As in a sandbox, whose numbers begin anew."""
    server = each_server
    with Live(
        tmp_path, "--input", "loopback", "--model", identity_model, env=server.env(source=None)
    ) as live:
        live.wait_until_running()
        number = live.process.pid
        player = subprocess.Popen(
            ["paplay", f"--property=application.process.id={number}", endless],
            env=server.env(sink="streamsep"),
        )
        try:
            wait_until(lambda: server.streams("sink-inputs", "streamsep"), "the player's stream")
            time.sleep(1.0)
            assert server.streams("sink-inputs", "streamsep"), "it was moved off our sink"
        finally:
            player.kill()
            player.wait()
        assert live.end() == 0, live.stderr
