"""What is heard where in a sound server, over filters of all kinds."""

from types import SimpleNamespace

import pytest

from streamsep.audio.devices.sound_flow import NONE, SoundFlow

FRONT, REAR = ["front-left", "front-right"], ["rear-left", "rear-right"]


class Server:
    """Lists as a sound server gives them."""

    def __init__(self):
        self.sinks, self.sources, self.plays, self.captures = [], [], [], []

    def sink(self, name, module=NONE, group="", channels=FRONT):
        self.sinks.append(self._device(len(self.sinks), name, module, group))
        self.source(f"{name}.monitor", monitor_of=name, channels=channels)
        return self

    def source(self, name, module=NONE, group="", monitor_of="", master="", channels=FRONT):
        device = self._device(100 + len(self.sources), name, module, group)
        device.channel_list = channels
        device.monitor_of_sink_name = monitor_of
        device.proplist |= {"device.master_device": master} if master else {}
        self.sources.append(device)
        return self

    def plays_on(self, sink, module=NONE, group="", client=NONE, channels=FRONT):
        index = next(s.index for s in self.sinks if s.name == sink)
        self.plays.append(self._stream(module, group, client, channels, sink=index))
        return self

    def hears(self, source, module=NONE, group="", client=NONE, channels=FRONT):
        index = next(s.index for s in self.sources if s.name == source)
        self.captures.append(self._stream(module, group, client, channels, source=index))
        return self

    @staticmethod
    def _device(index, name, module, group):
        proplist = {"node.link-group": group} if group else {}
        return SimpleNamespace(index=index, name=name, owner_module=module, proplist=proplist)

    @staticmethod
    def _stream(module, group, client, channels, **where):
        proplist = {"node.link-group": group} if group else {}
        return SimpleNamespace(
            owner_module=module, client=client, channel_list=channels, proplist=proplist, **where
        )

    def heard_in(self, source):
        flow = SoundFlow(self.sinks, self.sources, self.plays, self.captures)
        return set(flow.sinks_heard_in(source))


@pytest.fixture(params=["PulseAudio", "PipeWire"])
def one_filter(request):
    """What the ends of the filter of a number have in common."""
    return lambda n: {"module": n} if request.param == "PulseAudio" else {"group": f"g{n}"}


def test_a_monitor_hears_its_sink_and_a_microphone_nothing():
    server = Server().sink("A").sink("B").source("mic")
    assert server.heard_in("A.monitor") == {"A"}
    assert server.heard_in("mic") == set()
    assert server.heard_in("gone") == set()


def test_filters_of_a_source_hear_what_it_hears(one_filter):
    server = Server().sink("A").source("one", **one_filter(1)).hears("A.monitor", **one_filter(1))
    server.source("two", **one_filter(2)).hears("one", **one_filter(2))
    assert server.heard_in("two") == {"A"}


def test_a_filter_before_a_sink_is_heard_in_the_sink_s_monitor(one_filter):
    server = Server().sink("A").sink("equaliser", **one_filter(1)).plays_on("A", **one_filter(1))
    server.sink("bass", **one_filter(2)).plays_on("equaliser", **one_filter(2))
    assert server.heard_in("A.monitor") == {"A", "equaliser", "bass"}
    assert server.heard_in("equaliser.monitor") == {"equaliser", "bass"}


def test_several_outputs_as_one_are_heard_in_each(one_filter):
    server = Server().sink("A").sink("B").sink("both", **one_filter(1))
    server.plays_on("A", **one_filter(1)).plays_on("B", **one_filter(1))
    assert server.heard_in("B.monitor") == {"B", "both"}


def test_a_loop_carries_one_sink_s_sound_to_another(one_filter):
    server = Server().sink("A").sink("mix").hears("mix.monitor", **one_filter(1))
    server.plays_on("A", **one_filter(1))
    assert server.heard_in("A.monitor") == {"A", "mix"}
    assert server.heard_in("mix.monitor") == {"mix"}


def test_a_loop_back_to_where_it_came_from_has_an_end(one_filter):
    server = Server().sink("A").hears("A.monitor", **one_filter(1)).plays_on("A", **one_filter(1))
    assert server.heard_in("A.monitor") == {"A"}


def test_an_echo_canceller_s_two_halves_are_apart(one_filter):
    """Its source hears the microphone alone, and its sink goes to the loudspeakers."""
    both = one_filter(1)
    server = Server().sink("speakers").source("mic").sink("clear sink", **both)
    server.source("clear mic", **both).hears("mic", **both).plays_on("speakers", **both)
    assert server.heard_in("clear mic") == set()
    assert server.heard_in("speakers.monitor") == {"speakers", "clear sink"}


def test_channels_that_have_nothing_in_common_aren_t_heard():
    """Two pairs of one card, each a sink or source of its own."""
    server = Server().sink("AB", channels=FRONT + REAR).sink("front", 1)
    server.plays_on("AB", 1, channels=FRONT)
    server.sink("rear", 2).plays_on("AB", 2, channels=REAR)
    server.source("front in", 3).hears("AB.monitor", 3, channels=FRONT)
    assert server.heard_in("front in") == {"AB", "front"}
    assert server.heard_in("AB.monitor") == {"AB", "front"}  # we take two channels of it
    server.sink("mono", 4).plays_on("AB", 4, channels=["mono"])
    assert "mono" in server.heard_in("front in")


def test_programs_that_play_and_listen_are_no_filters():
    """PulseAudio says of all their streams that one module has made them."""
    server = Server().sink("A").sink("B").hears("A.monitor", 7, client=1).plays_on("B", 7, client=1)
    assert server.heard_in("B.monitor") == {"B"}


def test_a_filter_is_known_by_its_master_where_nothing_else_tells():
    server = Server().sink("A").source("filter", master="A.monitor")
    assert server.heard_in("filter") == {"A"}
