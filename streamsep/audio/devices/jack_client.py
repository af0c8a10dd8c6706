"""JACK's library, the process's one client of its server, and the devices that it sees there.

PortAudio has a client of JACK too, but once the server has died it waits for that for ten minutes,
and aborts the process at its end. So it is kept away from JACK wherever JACK's library is here.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

from streamsep.audio.devices.environment import environment
from streamsep.errors import DeviceError

HOST_API = "JACK Audio Connection Kit"  # PortAudio's name for it
CLIENT = "streamsep"
# PortAudio takes the server that these name when it starts; the last one is PipeWire's.
NO_SERVER = {
    "JACK_DEFAULT_SERVER": "streamsep-none",
    "JACK_NO_START_SERVER": "1",
    "PIPEWIRE_NOJACK": "1",
}
CAPTURE, PLAYBACK = 0, 1  # `jack_latency_callback_mode_t`
CYCLE_S = 1.0  # beyond what a process cycle takes


class JackError(DeviceError):
    """A JACK server that isn't there, or that refuses something; PortAudio has no part in it."""


@cache
def load_jack() -> Any:
    """Return the ``jack`` module, whose library says nothing; None where there is no library."""
    if sys.platform != "linux":
        return None
    try:
        import jack
    except OSError:
        return None
    jack.set_error_function(lambda message: None)
    jack.set_info_function(lambda message: None)
    return jack


@contextmanager
def without_jack() -> Iterator[None]:
    """Have PortAudio, started within, find no server of JACK's where we can do without it."""
    with environment({} if load_jack() is None else NO_SERVER):
        yield


@dataclass(frozen=True, slots=True)
class JackDevice:
    """A client of the server with audio ports, as PortAudio would list it.

    Attributes
    ----------
    inputs, outputs
        How many ports of it can be listened to and played to.
    """

    name: str
    inputs: int
    outputs: int
    sample_rate: int


def list_jack_devices() -> list[JackDevice]:
    """Return what there is at the server, none without one; no server is started."""
    if load_jack() is None:
        return []
    with JackClient.lock:
        JackClient.close_if_down()
        present = JackClient.present
        if present is not None:
            return _devices(present.library_client)
        try:
            client = _connect()
        except JackError:
            return []
        try:
            return _devices(client)
        finally:
            client.close()


def _devices(client: Any) -> list[JackDevice]:
    counts: dict[str, list[int]] = {}
    for port in client.get_ports(is_audio=True):
        name = port.name.split(":", 1)[0]
        if name != client.name:
            counts.setdefault(name, [0, 0])[port.is_input] += 1
    rate = client.samplerate
    return [JackDevice(name, ins, outs, rate) for name, (ins, outs) in counts.items()]


def _connect() -> Any:
    jack = load_jack()
    try:
        with environment({}):  # not while PortAudio is being kept away
            return jack.Client(CLIENT, no_start_server=True)
    except jack.JackError as error:
        raise JackError(
            "no JACK server answers",
            expected="one that runs",
            remedy="start it, as with qjackctl",
        ) from error


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except load_jack().JackError as error:
        raise JackError(
            f"{what} ({error})",
            expected="a server that runs",
            remedy="see 'streamsep devices', or start the server anew",
        ) from error


class CycleCallback(Protocol):
    """A stream's part in the server's cycles."""

    captures: bool

    def process(self, frames: int, began: float) -> None:
        """Do a cycle that ``began`` at a moment of `time.monotonic`."""

    def xrun(self) -> None:
        """Note that a cycle was late."""


class JackClient:
    """The one client of this process: it calls all streams, those that capture first.

    So what comes in and what goes out in a cycle are in one order, whatever threads the server has.
    All that asks the server holds `lock`: the library would mix up the answers of two threads.

    Attributes
    ----------
    present
        The client of all streams that are open; None without any.
    library_client
        Of the ``jack`` module.
    down
        Whether the server has ended, or has thrown us out.
    sample_rate, period
        The server's: in Hz, and samples per cycle.
    """

    lock: ClassVar[threading.RLock] = threading.RLock()
    present: ClassVar[JackClient | None] = None

    def __init__(self) -> None:
        self.library_client = _connect()
        self.down = False
        self.sample_rate = int(self.library_client.samplerate)
        self._users = 0
        self._streams: tuple[CycleCallback, ...] = ()
        self._in_cycle = False
        # Its thread must not call into an interpreter that has gone.
        atexit.register(self._close)
        try:
            self.library_client.set_shutdown_callback(self._shut_down)
            self.library_client.set_xrun_callback(self._late)
            self.library_client.set_process_callback(self._process)
            self.library_client.activate()
        except load_jack().JackError:
            self._close()
            raise

    @classmethod
    def join(cls) -> JackClient:
        """Return the client, for one stream more.

        Raises
        ------
        JackError
            If no server answers.
        """
        with cls.lock:
            cls.close_if_down()
            if cls.present is None:
                with _refusals("the JACK server takes no client"):
                    cls.present = cls()
            cls.present._users += 1
            return cls.present

    @classmethod
    def close_if_down(cls) -> None:
        """Let go of a server that has ended: beside its client there can't be another one."""
        with cls.lock:
            if cls.present is not None and cls.present.down:
                cls.present._close()
                cls.present = None

    def leave(self, ports: Sequence[Any]) -> None:
        """Have one stream less, and its ports; the last one closes the client."""
        with self.lock:
            self._users -= 1
            if not self.down:
                for port in ports:
                    with suppress(load_jack().JackError):  # the server has just ended
                        port.unregister()
            if JackClient.present is self and (self.down or not self._users):
                self._close()
                JackClient.present = None

    @property
    def period(self) -> int:
        """Samples per cycle."""
        return int(self.library_client.blocksize)

    def register(self, role: str, channels: int, *, captures: bool) -> list[Any]:
        """Return new ports of ours, named after a role and counted from 1.

        Raises
        ------
        JackError
            If the server refuses.
        """
        ports = self.library_client.inports if captures else self.library_client.outports
        with self.lock, _refusals("the JACK server gives us no ports"):
            taken = {port.shortname for port in ports}
            names = (f"{role}_{number}" for number in itertools.count(1))
            free = (name for name in names if name not in taken)
            return [ports.register(name) for name in itertools.islice(free, channels)]

    def ports_of(self, name: str, *, captures: bool) -> list[Any]:
        """Return the ports of a device that can be listened to, or played to."""
        with self.lock, _refusals(f"JACK's '{name}' can't be asked for its ports"):
            ports = self.library_client.get_ports(
                is_audio=True, is_output=captures, is_input=not captures
            )
            return [port for port in ports if port.name.split(":", 1)[0] == name]

    def connect(self, sources: Sequence[Any], targets: Sequence[Any]) -> None:
        """Connect as many ports with as many others.

        Raises
        ------
        JackError
            If the server refuses: one has gone, or isn't in use yet.
        """
        with self.lock, _refusals("the JACK server connects no ports"):
            for source, target in zip(sources, targets, strict=True):
                self.library_client.connect(source, target)

    def add(self, stream: CycleCallback) -> None:
        """Have a stream called from the next cycle on."""
        with self.lock:
            streams = (*self._streams, stream)
            self._streams = tuple(sorted(streams, key=lambda each: not each.captures))

    def remove(self, stream: CycleCallback) -> None:
        """Call a stream no more; it isn't being called any more on return."""
        with self.lock:
            self._streams = tuple(each for each in self._streams if each is not stream)
        end = time.monotonic() + CYCLE_S
        while self._in_cycle and time.monotonic() < end:
            time.sleep(1e-3)

    def _process(self, frames: int) -> None:
        self._in_cycle = True
        late_s = self.library_client.frames_since_cycle_start / self.sample_rate
        began = time.monotonic() - late_s
        for stream in self._streams:
            stream.process(frames, began)
        self._in_cycle = False

    def _late(self, delayed_us: float) -> None:
        for stream in self._streams:
            stream.xrun()

    def _shut_down(self, status: Any, reason: str) -> None:
        self.down = True

    def _close(self) -> None:
        self.down = True
        atexit.unregister(self._close)
        self.library_client.deactivate()
        self.library_client.close()


class _LatencyRange(ctypes.Structure):
    _fields_: ClassVar = [("least", ctypes.c_uint32), ("most", ctypes.c_uint32)]


@cache
def _latency_range() -> Callable[..., None]:
    # What the module leaves out of the library.
    ask = ctypes.CDLL(load_jack()._libname).jack_port_get_latency_range
    ask.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_LatencyRange)]
    ask.restype = None
    return ask


def port_latency(port: Any, *, captures: bool) -> int:
    """Return the samples between a port and the outside, as the server knows it.

    Parameters
    ----------
    port
        Of the ``jack`` module.
    captures
        Whether for what comes in through it, or for what goes out.
    """
    found = _LatencyRange()
    pointer = int(load_jack()._ffi.cast("uintptr_t", port._ptr))
    _latency_range()(pointer, CAPTURE if captures else PLAYBACK, ctypes.byref(found))
    return int(found.most)
