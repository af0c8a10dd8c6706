"""What the watch does with our streams when the server has moved them."""

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
