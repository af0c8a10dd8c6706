"""Loopback against real servers: players come, go back, and never hear themselves."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from testing.alignment import locate
from testing.servers import pulse_server, wait_until
from tests.integration.takes import span
from tests.integration.test_pulse import listen
from tests.support.cases import one_of_many
from tests.support.commands import Live, streamsep

# Servers choose where nothing else is said, as on a desktop.
UNTOLD = dict(source=None, sink=None)
REMOVED = "removed the output 'streamsep' that a killed streamsep had left\n"


@pytest.fixture
def looped(identity_model, tmp_path):
    """Start ``live --input loopback``; what it said goes to a folder of its own."""
    started = []

    def start(server, *options):
        folder = tmp_path / f"live{len(started)}"
        folder.mkdir()
        live = Live(
            folder,
            "--input",
            "loopback",
            "--model",
            identity_model,
            *options,
            env=server.env(**UNTOLD),
        )
        started.append(live)
        return live

    yield start
    for live in started:
        live.__exit__()


@pytest.fixture
def player(each_server, endless):
    with each_server.player(endless, "A") as process:
        yield process


def wait_for_sink(server, name="streamsep"):
    wait_until(lambda: name in server.sink_names(), f"the sink {name}")


def wait_for_move(server, process, sink):
    wait_until(lambda: server.sink_of(process) == sink, f"the player on {sink}")


def refused(server, model, *options):
    """Run it to an end that comes at once, and return the last line."""
    done = streamsep(
        "live", "--input", "loopback", "--model", model, *options, env=server.env(**UNTOLD)
    )
    assert done.returncode == 5
    return done.stderr.splitlines()[-1]


def plain_run(server, song, model):
    """Run live from a file, long enough to have started."""
    return streamsep(
        "live",
        "--input",
        song,
        "--output",
        "null",
        "--seconds",
        0.1,
        "--model",
        model,
        env=server.env(**UNTOLD),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_player_is_captured_and_put_back(each_server, player, endless, looped, number):
    server = each_server
    live = looped(server, "--capture", "PAPLAY", "--output", "null")
    wait_for_move(server, player, "streamsep")
    # What the same application opens later follows, and another one stays where it is.
    with (
        server.player(endless, "B", name="paplay 2") as later,
        server.player(endless, "A", name="other") as other,
    ):
        wait_for_move(server, later, "streamsep")
        live.wait_until_running()
        assert server.sink_of(other) == "A"
        assert live.end(number) == 0
        assert live.stderr == f"captured: paplay (pid {player.pid})\n"
        assert [server.sink_of(p) for p in (player, later, other)] == ["A", "B", "A"]
    assert "streamsep" not in server.sink_names()
    assert server.default_sink() == "B"


def test_what_a_kill_leaves_is_named_by_doctor_and_put_back_at_the_next_start(
    each_server, player, short_song, looped, identity_model
):
    server = each_server
    live = looped(server, "--capture", player.pid, "--output", "null")
    wait_for_move(server, player, "streamsep")
    assert live.end(signal.SIGKILL) == -signal.SIGKILL
    assert server.sink_of(player) == "streamsep"
    told = streamsep("doctor", "--model", identity_model, env=server.env(**UNTOLD)).stdout
    assert "note  loopback: the output 'streamsep' was left by a killed streamsep" in told
    done = plain_run(server, short_song.path, identity_model)
    assert done.stderr == REMOVED
    assert server.sink_of(player) == "A"
    assert "streamsep" not in server.sink_names()
    assert server.default_sink() == "B"
    assert plain_run(server, short_song.path, identity_model).stderr == ""


def test_two_at_once_leave_each_other_alone(
    each_server, player, short_song, looped, identity_model
):
    server = each_server
    first = looped(server, "--output", "null")
    wait_for_sink(server)
    second = looped(server, "--capture", "paplay", "--output", "null")
    wait_for_move(server, player, "streamsep2")
    first.end(signal.SIGKILL)
    done = plain_run(server, short_song.path, identity_model)
    assert done.stderr == REMOVED
    assert server.sink_of(player) == "streamsep2"
    assert second.end() == 0, second.stderr
    assert server.sink_of(player) == "A"
    assert not [name for name in server.sink_names() if name.startswith("streamsep")]


@pytest.mark.parametrize("each_server", one_of_many(["pipewire", "server"]), indirect=True)
def test_the_output_is_a_real_sink_even_if_ours_is_the_default(each_server, looped, identity_model):
    server = each_server
    live = looped(server)
    wait_for_sink(server)
    wait_until(lambda: live.stderr, "what to do")  # is said once the sink is there
    assert live.stderr == (
        "choose the output 'streamsep' in a player, or capture one by its name (--capture)\n"
    )
    try:
        wait_until(lambda: server.sink_of(live.process) == "B", "our own output on B")
        server.pactl("set-default-sink", "streamsep")
        wait_until(lambda: server.default_sink() == "streamsep", "the new default")
        live.wait_until_running()
        assert server.sink_of(live.process) == "B"
        # What a streamsep plays is no player's.
        assert "nothing called" in refused(server, identity_model, "--capture", live.process.pid)
        # A second one finds the default to be a streamsep's. PipeWire tells the default sink of
        # a stream that isn't linked yet.
        other = looped(server)
        wait_until(lambda: server.sink_of(other.process) in ("A", "B"), "the second's output")
        other.wait_until_running()
        assert server.sink_of(other.process) in ("A", "B")
        assert "not back to 'streamsep': playing on " in other.stderr
        assert [other.end(), live.end()] == [0, 0]
    finally:
        server.pactl("set-default-sink", "B")


def test_it_never_hears_another_sink_than_its_own(each_server, looped):
    """Not even when the default output was its own and is another one then."""
    server = each_server
    live = looped(server)
    live.wait_until_running()
    for default in ("streamsep", "A", "streamsep", "B"):
        server.pactl("set-default-sink", default)
        wait_until(lambda default=default: server.default_sink() == default, "the new default")
        time.sleep(0.3)  # for servers to move what they want to
        assert server.streams("source-outputs", "streamsep.monitor")
        assert server.sink_of(live.process) != "streamsep"
    assert live.end() == 0, live.stderr


def test_without_another_sink_there_is_nothing_to_play_on(identity_model):
    with pulse_server(sinks=False) as server:
        assert refused(server, identity_model) == (
            "streamsep: the sound server has no output but 'streamsep' itself; expected another "
            "one to play on: what is played there would come back; connect speakers, or play "
            "to a file"
        )
        assert server.sink_names() == ["auto_null"]


def test_a_player_s_samples_come_out_exactly(server, short_song, identity_model, tmp_path):
    """Through a null sink, its monitor, the model and another null sink."""
    heard = listen(
        server,
        short_song,
        tmp_path,
        "--input",
        "loopback",
        "--model",
        identity_model,
        "--block",
        1024,
        env=server.env(**UNTOLD),
        sink="streamsep",
    )
    start = locate(short_song.sound[0], heard.output[0])
    whole = span(heard.output, start, short_song.sound.shape[-1])
    np.testing.assert_array_equal(whole, short_song.sound)
    assert heard.off_ms == {0}


def test_an_application_that_doesn_t_play_is_one_line(each_server, player, identity_model):
    assert refused(each_server, identity_model, "--capture", "firefox") == (
        "streamsep: nothing called 'firefox' plays; expected one of: "
        f"paplay (pid {player.pid}); start it and let it play, or choose the output "
        "'streamsep' in its own settings"
    )
    assert "streamsep" not in each_server.sink_names()
    assert each_server.sink_of(player) == "A"


CABLES = """
import sys
from streamsep.audio.capture.virtual_cable import VirtualCable
from streamsep.errors import DeviceError
try:
    cable = VirtualCable(sys.argv[1])
    print(cable.input.name)
    print(cable.output(sys.argv[2]).name)
except DeviceError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("devices", "system", "output", "said"),
    [
        (["CABLE Output", "Phones"], "win32", "Phones", ["CABLE Output", "Phones"]),
        (["BlackHole 2ch", "Phones"], "darwin", "phones", ["BlackHole 2ch", "Phones"]),
        # Which device the default is can be told for a cable, not for what hears a sound card.
        (["BlackHole 2ch", "Phones"], "darwin", "speakers", ["BlackHole 2ch", "default"]),
        (["Stereo Mix", "Phones"], "win32", "speakers", ["Stereo Mix", "'Stereo Mix' may hear"]),
        (["Phones [Loopback]", "Phones"], "win32", "Phones", ["Phones [Loopback]", "may hear"]),
        (["BlackHole 2ch", "Phones"], "darwin", "BlackHole 2ch", ["BlackHole 2ch", "may hear"]),
        (["CABLE Output", "CABLE Input"], "win32", "CABLE Input", ["CABLE Output", "may hear"]),
        (["Phones"], "win32", "Phones", ["no loopback device; expected an input named CABLE"]),
        (["Phones"], "darwin", "Phones", ["install BlackHole ("]),
    ],
)
def test_elsewhere_a_cable_is_found_by_its_name(server, tmp_path, devices, system, output, said):
    """Devices of those names on the server; real ones of other systems are not at hand."""
    lines = [f'pcm."{name}" {{ type pulse }}\n' for name in devices]
    (tmp_path / ".asoundrc").write_text("".join(lines))
    done = subprocess.run(
        [sys.executable, "-c", CABLES, system, output],
        env=server.env() | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    printed = done.stdout.splitlines()
    assert len(printed) == len(said), done.stderr
    assert all(part in line for part, line in zip(said, printed, strict=True)), printed
