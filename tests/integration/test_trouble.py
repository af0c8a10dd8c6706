"""Trouble while the music plays: a sound server that dies, comes back, or hangs."""

import contextlib
import re
import signal
import time

import numpy as np
import pytest
import soundfile as sf

from testing.alignment import locate
from testing.servers import pipewire_server, pulse_server, wait_until
from tests.integration.conftest import RATE
from tests.integration.takes import PCM_24, span
from tests.support.cases import one_of_many
from tests.support.commands import Live, streamsep

AWAY_S = 3.0


@pytest.fixture
def own_server():
    with pulse_server() as server:
        yield server


@pytest.fixture(params=["PulseAudio", "PipeWire"])
def each_own_server(request):
    with pulse_server(at_once=True) if request.param == "PulseAudio" else pipewire_server() as own:
        yield own


def plays_and_listens(server):
    """Whether something plays on B and something listens to A."""
    return server.streams("sink-inputs", "B") and server.streams("source-outputs", "A.monitor")


def test_after_a_server_has_died_and_come_back_the_music_goes_on(
    own_server, short_song, identity_model, tmp_path
):
    recorded = tmp_path / "recording.wav"
    first = short_song.sound[:, :RATE]
    with Live(
        tmp_path,
        "--input",
        "pulse",
        "--output",
        "pulse",
        "--record",
        recorded,
        "--model",
        identity_model,
        "--plain",
        env=own_server.env(),
    ) as live:
        live.wait_until_running()
        before = time.monotonic()
        own_server.play(short_song.path, "A")
        time.sleep(1.0)  # until all of it has been captured, on a busy machine too
        own_server.kill()
        time.sleep(AWAY_S)
        own_server.start()
        wait_until(lambda: plays_and_listens(own_server), "the streams of live")
        with own_server.recording("B.monitor") as heard:
            time.sleep(2.0)  # an output that has just been opened fills its buffer first
            between = time.monotonic() - before
            own_server.play(short_song.path, "A")
            heard.wait_for(RATE)
            output = heard.sound()
        assert live.end(signal.SIGINT) == 0, live.stderr
    assert live.stderr == ""
    print(live.stdout)  # for whoever looks at a failure
    # It is heard again, sample for sample, and recorded.
    start = locate(first[0], output[0])
    np.testing.assert_array_equal(span(output, start, RATE), first)
    sound = sf.read(recorded, dtype="float32", always_2d=True)[0].T
    one = locate(first[0], sound[0, : len(sound[0]) // 2])
    other = locate(first[0], sound[0, one + RATE :]) + one + RATE
    for start in (one, other):
        np.testing.assert_allclose(span(sound, start, RATE), first, atol=PCM_24, rtol=0)
    # Silence stands for the gap, so that time stays true: without it AWAY_S would be missing.
    # How long players take to start is the machine's affair.
    assert other - one == pytest.approx(between * RATE, abs=AWAY_S / 2 * RATE)
    gaps = re.findall(r"gap of (\d+\.\d) s at \d+:\d\d\.\d: (\w+) 'pulse' is back", live.stdout)
    assert {kind for _, kind in gaps} == {"input", "output"}
    assert all(float(gap) >= AWAY_S for gap, _ in gaps)


BACK_S = 2.0  # after a restart at most


@pytest.mark.parametrize(
    "options",
    one_of_many(
        [
            pytest.param(("--input", "pulse", "--output", "pulse"), id="devices"),
            pytest.param(("--input", "loopback", "--capture", "paplay"), id="loopback"),
        ]
    ),
)
def test_sound_is_back_within_two_seconds_of_the_server_s_return(
    each_own_server, endless, identity_model, tmp_path, options
):
    """Counted in the server's own samples, from its first ones on; a player is there at once."""
    server = each_own_server
    server.sinks_after_s = 1.0  # which PipeWire would give others in the place of
    env = server.env() if "pulse" in options else server.env(source=None, sink=None)
    with contextlib.ExitStack() as stack:
        player = stack.enter_context(server.player(endless, "A"))
        live = stack.enter_context(
            Live(tmp_path, *options, "--model", identity_model, "--plain", env=env)
        )
        live.wait_until_running()
        server.kill()
        player.wait()
        time.sleep(AWAY_S)
        server.start()
        heard = stack.enter_context(server.recording("B.monitor"))
        stack.enter_context(server.player(endless, "A"))
        heard.wait_for(round(BACK_S * RATE))
        assert live.end() == 0, live.stderr
    silence = int(np.argmax(np.abs(heard.sound()[0]) > 1e-3))
    assert 0 < silence < BACK_S * RATE


def test_a_sink_that_isn_t_there_is_named(own_server, short_song, identity_model):
    done = streamsep(
        "live",
        "--input",
        short_song.path,
        "--output",
        "speakers",
        "--model",
        identity_model,
        env=own_server.env(sink="nowhere"),
    )
    assert (done.returncode, done.stderr) == (
        5,
        (
            "streamsep: the sound server has no sink 'nowhere'; expected one of: A, B, A48, B48, "
            "AB, FRONT, REAR; 'unset PULSE_SINK', or name one of these in it\n"
        ),
    )


def outputs_of(server):
    """Modules whose sinks aren't streamsep's."""
    listed = server.pactl("list", "short", "modules").stdout.splitlines()
    return [
        line.split("\t")[0]
        for line in listed
        if ("remap-sink" in line or "null-sink" in line) and "sink_name=streamsep" not in line
    ]


@pytest.mark.parametrize("each_own_server", one_of_many(["PulseAudio", "PipeWire"]), indirect=True)
def test_without_its_last_output_it_doesn_t_play_to_itself(
    each_own_server, endless, identity_model, tmp_path
):
    """Servers would have it play on the sink that it listens to, louder and louder."""
    server = each_own_server
    with contextlib.ExitStack() as stack:
        stack.enter_context(server.player(endless, "A"))
        live = stack.enter_context(
            Live(
                tmp_path,
                "--input",
                "loopback",
                "--capture",
                "paplay",
                "--model",
                identity_model,
                env=server.env(source=None, sink=None),
            )
        )

        def levels():
            return [float(level) for level in re.findall(r" in +(-?\d+\.\d) dB", live.stdout)]

        wait_until(lambda: len(levels()) > 3, "the player's sound")
        for module in reversed(outputs_of(server)):
            server.pactl("unload-module", module, check=False)  # gone with another one
        wait_until(lambda: "no output is left but 'streamsep'" in live.stdout, "the note")
        before = len(levels())
        wait_until(lambda: len(levels()) > before + 4, "some seconds more")
        assert max(levels()[-2:]) < 0.0  # the song's are below -6; a loop's go on and on
        server.pactl("load-module", "module-null-sink", "sink_name=B", "rate=44100")
        wait_until(lambda: server.sink_of(live.process) == "B", "our output on its sink")
        assert live.end() == 0, live.stderr


def test_what_a_held_program_has_missed_is_silence_in_its_place(endless, identity_model, tmp_path):
    recorded = tmp_path / "recording.wav"
    with (
        pulse_server(at_once=True) as server,
        server.player(endless, "A"),
        Live(
            tmp_path,
            "--input",
            "pulse",
            "--output",
            "pulse",
            "--record",
            recorded,
            "--model",
            identity_model,
            "--plain",
            env=server.env(),
        ) as live,
    ):
        live.wait_until_running()
        time.sleep(3.0)
        live.process.send_signal(signal.SIGSTOP)
        time.sleep(AWAY_S + 1.0)
        live.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "stood still" in live.stdout, "the note of the gap")
        time.sleep(2.0)
        assert live.end(signal.SIGINT) == 0, live.stderr
    found = re.search(r"gap of (\d+\.\d) s at 0:(\d+\.\d): output .* stood still: sil", live.stdout)
    gap_s, since_s = float(found[1]), float(found[2])
    sound = np.abs(sf.read(recorded, dtype="float32", always_2d=True)[0][:, 0]) > 1e-3
    # Between sounds, from the longest silence's beginning to its end.
    there = np.flatnonzero(sound)
    longest = int(np.argmax(np.diff(there)))
    begin_s, end_s = there[longest] / RATE, there[longest + 1] / RATE
    # Where it begins, to within what was under way; how long, to within what is in buffers.
    assert begin_s == pytest.approx(since_s, abs=1.0)
    assert end_s - begin_s == pytest.approx(gap_s, abs=1.5)
    assert there[-1] / RATE > end_s + 1.0  # and it goes on


def test_a_server_that_hangs_holds_nothing_up(own_server, identity_model, tmp_path):
    """PortAudio's calls hang with it, and may not take the program along."""
    recorded = tmp_path / "recording.wav"
    with Live(
        tmp_path,
        "--input",
        "pulse",
        "--output",
        "pulse",
        "--record",
        recorded,
        "--model",
        identity_model,
        env=own_server.env(),
    ) as live:
        live.wait_until_running()
        own_server.processes[0].send_signal(signal.SIGSTOP)
        try:
            time.sleep(AWAY_S)
            recording = recorded.stat().st_size
            time.sleep(1.0)
            assert recorded.stat().st_size > recording  # time goes on
            assert live.end(signal.SIGINT) == 0, live.stderr
        finally:
            own_server.processes[0].send_signal(signal.SIGCONT)
    assert f"{recorded}: " in live.stdout
