"""What the watch does with our streams when the server has moved them."""

import time

import pytest

from streamsep.audio.devices.sound_server import (
    OWN_TOKEN,
    ServerCapture,
    ServerSink,
    ServerSource,
    ServerStream,
)
from streamsep.audio.devices.stream_watch import StreamWatch
from streamsep.events import EventLog
from testing.servers import wait_until


class Server:
    """Has a microphone, another source, two sinks, and our streams on some of them."""

    def __init__(self):
        self.voice = self.listens_to = 4  # numbers
        self.b = self.plays_on = 11

    def sources(self):
        numbers = {"VOICE": self.voice, "MIC.monitor": 2}
        return [ServerSource(n, name, "") for name, n in numbers.items() if n is not None]

    def captures(self):
        return [ServerCapture(20, self.listens_to, OWN_TOKEN, "microphone", False, 1.0)]

    def sinks(self):
        numbers = {"B": self.b, "A": 10}
        return [ServerSink(n, name, "", 0, True, {}) for name, n in numbers.items() if n]

    def streams(self):
        return [ServerStream(30, self.plays_on, "", "", "", OWN_TOKEN)]

    def default_source(self):
        return "VOICE"

    def move_capture(self, capture, source):
        self.listens_to = source.index
        return True

    def move(self, stream, sink):
        self.plays_on = sink.index
        return True


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def look(server):
    watch = StreamWatch(EventLog())
    watch._look(server)
    return lambda: watch._look(server)


def test_a_microphone_that_went_and_came_back_between_two_looks_is_listened_to_again(server, look):
    server.voice, server.listens_to = 7, 2
    look()
    assert server.listens_to == 7


def test_so_is_an_output_played_on(server, look):
    server.b, server.plays_on = 12, 10
    look()
    assert server.plays_on == 12


def test_one_that_comes_back_later_too(server, look):
    server.voice, server.listens_to = None, 2
    server.b, server.plays_on = None, 10
    look()
    assert (server.listens_to, server.plays_on) == (2, 10)
    server.voice, server.b = 7, 12
    look()
    assert (server.listens_to, server.plays_on) == (7, 12)


def test_where_the_user_moves_our_streams_they_stay(server, look):
    server.listens_to, server.plays_on = 2, 10
    look()
    look()
    assert (server.listens_to, server.plays_on) == (2, 10)


def test_whoever_has_lost_its_source_is_silent_until_it_has_one(server):
    """Where it goes next may be what we play on, and servers move it before they tell."""
    watch = StreamWatch(EventLog())
    server.listens_to = 99  # as a stream that has just been opened
    watch._look(server)
    assert not watch.hears_us("microphone")
    for number, silent in ((4, False), (99, True), (2, False)):
        server.listens_to = number
        watch._look(server)
        assert watch.hears_us("microphone") == silent


class OnceChanged(Server):
    """Tells of a change once, and never of what comes of it."""

    def __init__(self):
        super().__init__()
        self.told, self.waits = False, []

    def watch(self):
        pass

    def close(self):
        pass

    def wait_for_change(self, timeout_s):
        if not self.told:
            self.told, self.voice, self.listens_to = True, None, 99
            return True
        self.waits.append(timeout_s)
        time.sleep(0.001)
        self.voice = self.listens_to = 4
        return False


def test_what_comes_of_a_change_untold_is_seen(monkeypatch):
    server = OnceChanged()
    monkeypatch.setattr(
        "streamsep.audio.devices.stream_watch.SoundServer", lambda client_name: server
    )
    with StreamWatch(EventLog()) as watch:
        wait_until(lambda: len(server.waits) > 1, "the next look")
        assert server.waits[0] <= 0.05
        wait_until(lambda: not watch.hears_us("microphone"), "its voice")
