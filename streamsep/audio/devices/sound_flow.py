"""Which sinks are heard in a source: as their monitor, and through what filters there are between.

Filters look like sinks and sources: noise suppression, remapped channels, several outputs as one, a
loop from a source to a sink. What goes in at one end of them comes out at the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

MASTER, GROUP = "device.master_device", "node.link-group"
NONE = 2**32 - 1  # in the place of a module or client
SOMEWHERE = ("mono", "invalid", "aux")  # channels that are mixed from, or into, any
FRONT_PAIR = frozenset({"front-left", "front-right"})
Channels = frozenset[str] | None  # by the server's names; None for any


class SoundFlow:
    """What leads where at a moment; all parameters are lists of pulsectl's.

    PulseAudio has the ends of a filter in one module, which no client has a stream of; PipeWire in
    one group.

    Parameters
    ----------
    sinks, sources
        What can be played to, and heard.
    plays, captures
        Who plays to a sink, and who hears a source ("sink inputs" and "source outputs").
    """

    def __init__(
        self,
        sinks: Iterable[Any],
        sources: Iterable[Any],
        plays: Iterable[Any],
        captures: Iterable[Any],
    ) -> None:
        self._sinks = {sink.index: str(sink.name) for sink in sinks}
        self._sources = {str(source.name): source for source in sources}
        self._source_names = {source.index: name for name, source in self._sources.items()}
        self._plays: dict[str, list[Any]] = defaultdict(list)  # by the sink
        for stream in plays:
            self._plays[self._sinks.get(stream.sink, "")].append(stream)
        self._sinks_of: dict[str, set[str]] = defaultdict(set)  # by the filter
        for sink in sinks:
            for key in _filters(sink):
                self._sinks_of[key].add(str(sink.name))
        self._captures_of: dict[str, list[Any]] = defaultdict(list)
        for capture in captures:
            for key in _filters(capture):
                self._captures_of[key].append(capture)

    def sinks_heard_in(self, source: str) -> frozenset[str]:
        """Return the names of all sinks of which something is heard in a source."""
        heard: set[str] = set()
        seen: set[tuple[str, str, Channels]] = set()
        # (Of more channels than two, a stream of two has the front pair.)
        every = _channels(self._sources[source]) if source in self._sources else None
        first = FRONT_PAIR if every is not None and every > FRONT_PAIR else None
        waiting: list[tuple[str, str, Channels]] = [("source", source, first)]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            kind, name, channels = place
            if kind == "sink":
                heard.add(name)
                waiting += self._into_sink(name, channels)
            elif name in self._sources:
                waiting += self._into_source(self._sources[name], channels)
        return frozenset(heard)

    def _into_source(self, source: Any, channels: Channels) -> Iterable[tuple[str, str, Channels]]:
        if monitored := str(source.monitor_of_sink_name or ""):
            yield "sink", monitored, channels
            return
        if master := source.proplist.get(MASTER):
            captures = [c for key in _filters(source) for c in self._captures_of[key]]
            if not captures:
                yield "source", str(master), None
        for key in _filters(source):
            yield from self._captured_by(key)

    def _into_sink(self, sink: str, channels: Channels) -> Iterable[tuple[str, str, Channels]]:
        for stream in self._plays[sink]:
            if _apart(channels, _channels(stream)):
                continue
            for key in _filters(stream):
                for other in self._sinks_of[key]:
                    yield "sink", other, None
                if not self._sinks_of[key]:  # a loop, and not what else an echo canceller hears
                    yield from self._captured_by(key)

    def _captured_by(self, key: str) -> Iterable[tuple[str, str, Channels]]:
        for capture in self._captures_of[key]:
            if (name := self._source_names.get(capture.source)) is not None:
                yield "source", name, _channels(capture)


def _filters(each: Any) -> list[str]:
    """Return what the ends of a filter have in common, and nothing else has."""
    found = []
    if group := each.proplist.get(GROUP):
        found.append(f"group {group}")
    of_client = getattr(each, "client", NONE) not in (NONE, None)
    if not of_client and each.owner_module not in (NONE, None):
        found.append(f"module {each.owner_module}")
    return found


def _channels(stream: Any) -> Channels:
    names = frozenset(map(str, stream.channel_list))
    return None if not names or any(name.startswith(SOMEWHERE) for name in names) else names


def _apart(one: Channels, other: Channels) -> bool:
    """Say whether two sets of channels have nothing in common."""
    return one is not None and other is not None and not one & other
