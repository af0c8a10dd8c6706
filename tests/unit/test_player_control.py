"""A real player under control of programs: by a socket, by a port, and by the bridges."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import mido
import pytest
import soundfile as sf
from pythonosc.udp_client import SimpleUDPClient
from websockets.sync.client import connect

from streamsep import LivePlayer
from streamsep.errors import ArgumentError
from streamsep.remote.player_control import PlayerControl, where_of
from streamsep.remote.server import Where
from testing.examples import SCRIPTS
from testing.servers import wait_until
from testing.signals import music

PATIENCE_S = 20.0


@pytest.fixture
def player(tmp_path, identity_model):
    sf.write(tmp_path / "song.wav", music(30.0).T, 44_100)
    with LivePlayer(input=tmp_path / "song.wav", output="null", model=str(identity_model)) as found:
        yield found


@pytest.fixture
def controlled(player, tmp_path):
    with PlayerControl(player, Where(socket=tmp_path / "control"), print):
        yield tmp_path / "control"


class Script:
    """A program at the socket."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile(encoding="utf-8")

    def ask(self, **message):
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if answer["type"] in ("reply", "error"):
                return answer

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._lines.close()
        self._socket.close()


def test_a_script_pauses_seeks_and_moves_faders(player, controlled):
    with Script(controlled) as script:
        assert script.ask(type="pause")["type"] == "reply"
        assert player.paused
        script.ask(type="seek", seconds=20)
        script.ask(type="gain", fader="beat", db=-6)
        script.ask(type="guide", percent=50)
        state = script.ask(type="state")["player"]
        assert state["position"] == pytest.approx(20.0, abs=0.1)
        assert state["faders"]["beat"] == -6.0
        assert state["guide"] == 50.0
        assert state["song"] == "song"
        script.ask(type="resume")
        wait_until(lambda: player.position_s > 20.1, "the song to go on")


@pytest.mark.slow
def test_what_this_run_cant_do_is_refused_and_not_offered(player, controlled):
    with Script(controlled) as script:
        features = script.ask(type="state")["player"]["features"]
        assert "seek" in features
        assert "key" not in features  # it plays without what could change it
        assert script.ask(type="key", semitones=1)["type"] == "error"
        assert script.ask(type="search", query="x")["type"] == "error"  # there is no library


@pytest.mark.slow
def test_a_port_lets_in_by_token_alone(player):
    with PlayerControl(player, Where(port=0), print) as control:
        address, token = control.address.split(" with the token ")
        for given, kind in ((token, "welcome"), ("wrong", "error")):
            with connect(address, close_timeout=0.2) as program:
                program.send(json.dumps({"type": "join", "token": given}))
                assert json.loads(program.recv(PATIENCE_S))["type"] == kind


@pytest.mark.slow
def test_the_music_goes_on_when_control_ends(player, tmp_path):
    with PlayerControl(player, Where(socket=tmp_path / "control"), print):
        pass
    before = player.position_s
    wait_until(lambda: player.position_s > before + 0.2, "the music to go on")


@pytest.mark.slow
def test_a_server_that_is_killed_is_started_again_and_the_music_goes_on(player, tmp_path):
    said = []
    with PlayerControl(player, Where(socket=tmp_path / "control"), said.append):
        for process in servers():
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: said, "the line about it")
        before = player.position_s
        wait_until(lambda: player.position_s > before + 0.2, "the music to go on")
        wait_until(lambda: answers(tmp_path / "control"), "the server again")
        assert len(said) == 1
    assert servers() == []


def servers():
    """The processes of servers that this one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except (OSError, IndexError):  # it has just ended
            continue
        if parent == os.getpid() and b"server_main" in command:
            found.append(int(path.parent.name))
    return found


def answers(path):
    try:
        with Script(path) as script:
            return script.ask(type="state")["type"] == "reply"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("control", "where"), [("8666", Where(port=8_666)), ("./s", Where(socket=SCRIPTS / "x"))]
)
def test_a_number_is_a_port_and_all_else_a_socket(control, where):
    assert where_of(control).port == where.port
    assert (where_of(control).socket is None) == (where.socket is None)


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(ArgumentError):
        where_of("99999")


@pytest.mark.slow
def test_a_midi_controller_moves_faders(player, controlled, tmp_path):
    file = mido.MidiFile()
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.Message("control_change", control=21, value=0))
    track.append(mido.Message("control_change", control=23, value=127))
    track.append(mido.Message("control_change", control=99, value=1))  # nothing of ours
    track.append(mido.Message("note_on", note=36, velocity=100))
    file.save(tmp_path / "moves.mid")
    example("midi_faders", controlled, tmp_path / "moves.mid")
    assert player.session.faders["beat"] == float("-inf")
    assert player.session.faders["guide"] == 0.0
    assert player.paused


@pytest.mark.slow
def test_osc_messages_are_taken_and_bad_ones_named(player, controlled):
    bridge = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "osc_bridge.py"), str(controlled), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with bridge:
        port = int(bridge.stdout.readline().rpartition(":")[2])
        with SimpleUDPClient("127.0.0.1", port) as client:
            for address, value in (("/gain/beat", -12.0), ("/nonsense", 1), ("/guide", 100.0)):
                client.send_message(address, value)
        wait_until(lambda: player.session.faders["guide"] == 0.0, "the last message")
        assert player.session.faders["beat"] == -12.0
        bridge.terminate()
        assert "/nonsense" in bridge.stderr.read()


def example(name, *arguments):
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60.0)


@pytest.mark.slow
def test_no_thread_of_control_stays(player, tmp_path):
    before = {thread.name for thread in threading.enumerate()}
    with PlayerControl(player, Where(socket=tmp_path / "control"), print):
        pass
    assert {thread.name for thread in threading.enumerate()} <= before


@pytest.mark.slow
def test_the_voices_effects_change_while_it_plays(tmp_path, identity_model):
    for name in ("song", "voice"):
        sf.write(tmp_path / f"{name}.wav", music(30.0).T, 44_100)
    config = dict(input=tmp_path / "song.wav", mic=tmp_path / "voice.wav", output="null")
    with (
        LivePlayer(model=str(identity_model), voice_effects="off", **config) as player,
        PlayerControl(player, Where(socket=tmp_path / "control"), print),
        Script(tmp_path / "control") as script,
    ):
        assert script.ask(type="voice", preset="hall")["type"] == "reply"
        assert script.ask(type="state")["player"]["voice"] == player.voice_effects == "hall"
        assert script.ask(type="voice", preset="cave")["type"] == "error"
        script.ask(type="gain", fader="mic", db=-3)
        assert player.session.faders["mic"] == -3.0
